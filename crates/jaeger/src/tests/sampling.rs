use crate::sampling::*;

fn answer(file: &str, service: &str) -> String {
    serde_json::to_string(Strategies::parse(file).unwrap().of(service)).unwrap()
}

#[test]
fn without_strategies_one_in_a_thousand_is_sampled() {
    let expected = r#"{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.001}}"#;
    for empty in ["null", "{}", r#"{"default_strategy": null, "service_strategies": null}"#] {
        assert_eq!(answer(empty, "x"), expected);
    }
}

#[test]
fn services_have_their_own() {
    let file = r#"{"default_strategy": {"type": "probabilistic", "param": 0.5},
        "service_strategies": [{"service": "foo", "type": "ratelimiting", "param": 5}]}"#;
    assert_eq!(
        answer(file, "foo"),
        r#"{"strategyType":"RATE_LIMITING","rateLimitingSampling":{"maxTracesPerSecond":5}}"#
    );
    assert!(answer(file, "Foo").contains("\"samplingRate\":0.5"));
}

#[test]
fn operations_are_as_jaeger_writes_them() {
    let file = r#"{"default_strategy": {"type": "probabilistic", "param": 0.5, "operation_strategies": [
        {"operation": "get", "type": "probabilistic", "param": 0.25}]}}"#;
    assert_eq!(
        answer(file, "x"),
        "{\"strategyType\":\"PROBABILISTIC\",\"probabilisticSampling\":{\"samplingRate\":0.5},\"operationSampling\":\
         {\"defaultSamplingProbability\":0.5,\"defaultLowerBoundTracesPerSecond\":0.0,\"perOperationStrategies\":\
         [{\"operation\":\"get\",\"probabilisticSampling\":{\"samplingRate\":0.25}}],\"defaultUpperBoundTracesPerSecond\":0.0}}"
    );
}

#[test]
fn what_is_odd_is_told() {
    let file = r#"{"service_strategies": [{"service": "foo", "type": "odd"}, {"service": "bar", "type": "probabilistic",
        "operation_strategies": [{"operation": "op", "type": "ratelimiting", "param": 1}]}]}"#;
    let strategies = Strategies::parse(file).unwrap();
    let [odd, limited] = strategies.warnings() else { panic!("{:?}", strategies.warnings()) };
    assert!(odd.contains("the type of the service \"foo\" is \"odd\""), "{odd}");
    assert!(limited.contains("the operation \"op\" of the service \"bar\" can only be sampled"), "{limited}");
    assert_eq!(strategies.of("foo"), strategies.of("others"));
}

#[test]
fn what_is_no_file_is_refused() {
    let error = Strategies::parse("\"nonsense\"").unwrap_err().to_string();
    assert!(error.contains("malformed sampling strategies") && error.contains("line 1"), "{error}");
    for text in ["", "[1]", "[]", r#"{"service_strategies": 5}"#] {
        Strategies::parse(text).unwrap_err();
    }
}
