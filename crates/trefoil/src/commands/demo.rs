//! `trefoil demo`: the bookstore, against any OTLP endpoint or with a server in the same process.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;

use anyhow::{Context, bail};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use trefoil_demo::{Demo, Options, Protocol, reachable};

use crate::cli::{DemoArgs, ServeArgs};
use crate::control::Control;
use crate::serve::{self, Ready};
use crate::telemetry::Output;

pub async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let control = Control::by_signals()?;
    if args.serve {
        return with_server(args, control).await;
    }
    log_warnings()?;
    let demo = Demo::start(args.options).await?;
    introduce(&demo);
    demo.run(control.stop).await;
    Ok(())
}

/// Without a server's log, warnings go to standard error; on a terminal each takes the place of the progress line, which is
/// then written anew below it.
fn log_warnings() -> anyhow::Result<()> {
    let level = std::env::var("TREFOIL_LOG").unwrap_or_else(|_| "warn".to_owned());
    let filter = EnvFilter::try_new(&level).with_context(|| format!("TREFOIL_LOG={level:?} is not a log filter"))?;
    let terminal = std::io::stderr().is_terminal();
    let writer = move || {
        let mut stderr = std::io::stderr().lock();
        if terminal {
            let _ = stderr.write_all(b"\r\x1b[2K");
        }
        stderr
    };
    let colour = terminal && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(colour).with_writer(writer).init();
    Ok(())
}

/// The server comes first and goes last, so that it gets all there is.
async fn with_server(args: DemoArgs, control: Control) -> anyhow::Result<()> {
    let server_stop = CancellationToken::new();
    let stop = control.stop.clone();
    let control = control.stopped_by(server_stop.clone());
    let (ready, is_ready) = oneshot::channel();
    let arguments = ServeArgs { config: args.config, data_dir: args.data_dir, ..ServeArgs::default() };
    let mut server = tokio::spawn(serve::serve(arguments, Output::DataDir, control, ready));

    let ready = tokio::select! {
        ready = is_ready => ready.ok(),
        () = stop.cancelled() => None,
    };
    let mut started = Ok(());
    if let Some(ready) = ready {
        // The load ends with the server, should that end by itself.
        let load_stop = stop.child_token();
        let load = load(args.options, ready, load_stop.clone());
        tokio::pin!(load);
        tokio::select! {
            done = &mut load => started = done,
            ended = &mut server => {
                load_stop.cancel();
                let _ = load.await;
                return ended?;
            }
        }
    }
    server_stop.cancel();
    let served = server.await?;
    started.and(served)
}

async fn load(options: Options, ready: Ready, stop: CancellationToken) -> anyhow::Result<()> {
    let address = ready.main.context("--serve needs the main listener (listeners.main.enabled)")?;
    let demo = Demo::start(towards(options, &ready, address)?).await?;
    println!("Trefoil is at http://{}", reachable(address));
    if let Some(log) = ready.log {
        eprintln!("Its log is in {}", log.display());
    }
    introduce(&demo);
    demo.run(stop).await;
    Ok(())
}

/// The options with the server of this process as their endpoint, unless they name one: OTLP over HTTP at the main
/// listener, which has no settings that could be in the way.
fn towards(options: Options, ready: &Ready, main: SocketAddr) -> anyhow::Result<Options> {
    if options.endpoint.is_some() {
        return Ok(options);
    }
    if options.protocol == Some(Protocol::Grpc) {
        bail!("with --serve telemetry goes to the main listener by http/protobuf; name an --endpoint for grpc");
    }
    if !ready.otlp {
        bail!("the main listener takes no OTLP (listeners.main.otlp is false); name an --endpoint");
    }
    let endpoint = format!("http://{}/otlp", reachable(main)).parse()?;
    Ok(Options {
        endpoint: Some(endpoint),
        protocol: Some(Protocol::HttpProtobuf),
        tenant_header: options.tenant_header || ready.tenancy,
        ..options
    })
}

fn introduce(demo: &Demo) {
    eprintln!("The bookstore's gateway is at http://{}", demo.gateway());
}
