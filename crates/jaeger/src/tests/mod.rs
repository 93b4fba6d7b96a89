mod conformance;
mod generate;
mod json;
mod otlp;
mod proto;
mod sampling;
mod thrift;
