//! The parameters of a request: of a form in its body and of its URL together.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use url::form_urlencoded;

use super::error::PromError;

const FORM: &str = "application/x-www-form-urlencoded";

/// Names and values. Of a name that comes several times the body's values are first, as in Prometheus.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn add(&mut self, encoded: &[u8]) {
        self.0.extend(form_urlencoded::parse(encoded).into_owned());
    }

    /// The first value; the empty text where there is none, which Prometheus does not tell apart.
    pub fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequest<S> for Parameters {
    type Rejection = PromError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PromError> {
        let mut parameters = Self::default();
        let url = request.uri().query().unwrap_or_default().to_owned();
        if is_form(&request) {
            let body = Bytes::from_request(request, state).await.map_err(|rejection| {
                PromError::bad_data(format!("error parsing form values: {}", rejection.body_text()))
            })?;
            parameters.add(&body);
        }
        parameters.add(url.as_bytes());
        Ok(parameters)
    }
}

fn is_form(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case(FORM)
}

#[cfg(test)]
impl From<&str> for Parameters {
    fn from(encoded: &str) -> Self {
        let mut parameters = Self::default();
        parameters.add(encoded.as_bytes());
        parameters
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn body_and_url_are_taken_together() {
        let request = Request::post("/query?match[]=up&query=url&time=5")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8")
            .body(Body::from("query=a%20%2B+b&match%5B%5D=down"))
            .unwrap();
        let parameters = Parameters::from_request(request, &()).await.unwrap();
        assert_eq!(parameters.get("query"), "a + b");
        assert_eq!(parameters.get("time"), "5");
        assert_eq!(parameters.get("nothing"), "");
        assert_eq!(parameters.all("match[]").collect::<Vec<_>>(), ["down", "up"]);
    }

    #[tokio::test]
    async fn only_a_form_is_read_from_the_body() {
        let request = Request::post("/query?query=url").body(Body::from("query=body")).unwrap();
        assert_eq!(Parameters::from_request(request, &()).await.unwrap().get("query"), "url");
    }
}
