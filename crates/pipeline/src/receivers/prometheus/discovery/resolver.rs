//! Asks the system's name servers for records, with its search list, by UDP and where that is too short by TCP (RFC 1035).
//!
//! The messages are those of `simple-dns`. A whole resolver as a library would bring more crates than all of scraping.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

const TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPTS: usize = 2;
const PORT: u16 = 53;

/// The system's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
    search: Vec<String>,
    /// Names with fewer dots are looked for below `search` first.
    dots: usize,
}

/// What a server said.
enum Said<T> {
    Records(Vec<T>),
    /// The name does not exist.
    NoSuchName,
}

impl Resolver {
    /// Of `/etc/resolv.conf`; a server on this machine where there is none.
    pub async fn of_system() -> Self {
        Self::parse(&tokio::fs::read_to_string("/etc/resolv.conf").await.unwrap_or_default())
    }

    #[cfg(test)]
    pub fn of_server(server: SocketAddr) -> Self {
        Self { servers: vec![server], search: vec!["example.".to_owned()], dots: 1 }
    }

    fn parse(text: &str) -> Self {
        let mut resolver = Self { servers: Vec::new(), search: Vec::new(), dots: 1 };
        for line in text.lines() {
            let mut words = line.split(['#', ';']).next().unwrap_or_default().split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    resolver.servers.extend(address.map(|address| SocketAddr::new(address, PORT)));
                }
                Some("search" | "domain") => resolver.search = words.map(str::to_owned).collect(),
                Some("options") => {
                    let dots = words.find_map(|word| word.strip_prefix("ndots:")?.parse().ok());
                    resolver.dots = dots.unwrap_or(resolver.dots);
                }
                _ => {}
            }
        }
        if resolver.servers.is_empty() {
            resolver.servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
        }
        resolver
    }

    /// The names to try, in order.
    fn names(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let mut names: Vec<String> = self.search.iter().map(|domain| format!("{name}.{domain}")).collect();
        let own = if name.matches('.').count() >= self.dots { 0 } else { names.len() };
        names.insert(own, name.to_owned());
        names
    }

    /// What `read` makes of the records of the first name that exists; nothing if none does.
    pub async fn look_up<T>(
        &self,
        name: &str,
        kind: TYPE,
        read: impl Fn(&RData<'_>) -> Option<T>,
    ) -> Result<Vec<T>, String> {
        for name in self.names(name) {
            match self.ask_all(name.trim_end_matches('.'), kind, &read).await? {
                Said::Records(records) if !records.is_empty() => return Ok(records),
                Said::Records(_) | Said::NoSuchName => {}
            }
        }
        Ok(Vec::new())
    }

    async fn ask_all<T>(
        &self,
        name: &str,
        kind: TYPE,
        read: &impl Fn(&RData<'_>) -> Option<T>,
    ) -> Result<Said<T>, String> {
        let mut failure = String::new();
        for server in self.servers.iter().cycle().take(self.servers.len() * ATTEMPTS) {
            match timeout(TIMEOUT, ask(*server, name, kind, read)).await {
                Ok(Ok(said)) => return Ok(said),
                Ok(Err(error)) => failure = format!("{name}: {server}: {error}"),
                Err(_) => failure = format!("{name}: {server} did not answer within {TIMEOUT:?}"),
            }
        }
        Err(failure)
    }
}

async fn ask<T>(
    server: SocketAddr,
    name: &str,
    kind: TYPE,
    read: &impl Fn(&RData<'_>) -> Option<T>,
) -> Result<Said<T>, String> {
    let id = fastrand::u16(..);
    let mut query = Packet::new_query(id);
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    let question = Name::new(name).map_err(|error| format!("{name:?} is not a name: {error}"))?;
    query.questions.push(Question::new(question, kind.into(), CLASS::IN.into(), false));
    let query = query.build_bytes_vec().map_err(|error| error.to_string())?;
    let mut answer = by_udp(server, id, &query).await.map_err(|error| error.to_string())?;
    if is_cut(&answer) {
        answer = by_tcp(server, &query).await.map_err(|error| error.to_string())?;
    }
    let answer = Packet::parse(&answer).map_err(|error| format!("the answer cannot be read: {error}"))?;
    match answer.rcode() {
        _ if answer.id() != id => Err("the answer is to another question".to_owned()),
        RCODE::NoError => Ok(Said::Records(answer.answers.iter().filter_map(|record| read(&record.rdata)).collect())),
        RCODE::NameError => Ok(Said::NoSuchName),
        code => Err(format!("the server answered {code:?}")),
    }
}

fn is_cut(answer: &[u8]) -> bool {
    simple_dns::header_buffer::has_flags(answer, PacketFlag::TRUNCATION).unwrap_or(false)
}

async fn by_udp(server: SocketAddr, id: u16, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let any: SocketAddr = if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    // Datagrams of others do not arrive.
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut buffer = vec![0; 4096];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if simple_dns::header_buffer::id(&buffer[..length]).is_ok_and(|answered| answered == id) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

async fn by_tcp(server: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.len()).unwrap_or(u16::MAX);
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_file_is_read() {
        let text = "# c\nnameserver 10.0.0.1\nnameserver fd00::1 ; c\nsearch a.b c\noptions edns0 ndots:2\n";
        let resolver = Resolver::parse(text);
        assert_eq!(resolver.servers, ["10.0.0.1:53".parse().unwrap(), "[fd00::1]:53".parse().unwrap()]);
        assert_eq!(resolver.names("x.y"), ["x.y.a.b", "x.y.c", "x.y"]);
        assert_eq!(resolver.names("x.y.z"), ["x.y.z", "x.y.z.a.b", "x.y.z.c"]);
        assert_eq!(resolver.names("x."), ["x."]);
        assert_eq!(Resolver::parse("").servers, ["127.0.0.1:53".parse().unwrap()]);
    }
}
