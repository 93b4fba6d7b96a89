//! Who sends: an HTTP client by the Collector's options, or by Prometheus'.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use reqwest::{Client, Response, Url};

use crate::exporters::http_client::explain;
use crate::receivers::prometheus::client::HttpClient;

pub enum WriteClient {
    Collector { client: Client, headers: HeaderMap },
    Prometheus { client: Box<HttpClient>, headers: HeaderMap, timeout: Duration },
}

impl WriteClient {
    /// Posts a body; `own` are headers that say what it is.
    pub async fn post(&self, url: Url, own: HeaderMap, body: Bytes) -> Result<Response, String> {
        match self {
            WriteClient::Collector { client, headers } => {
                let request = client.post(url).headers(headers.clone()).headers(own).body(body);
                request.send().await.map_err(|error| explain(&error))
            }
            WriteClient::Prometheus { client, headers, timeout } => {
                let mut all = headers.clone();
                all.extend(own);
                client.post(url, all, body, *timeout).await
            }
        }
    }
}
