"""Messages of Tempo's `tempo.proto` that its clients send and read, and calls of `tempopb.StreamingQuerier`."""

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from opentelemetry.proto.common.v1 import common_pb2

KEY_VALUE = common_pb2.KeyValue.DESCRIPTOR.full_name

#: Fields by number: a scalar type or a message, in a list where it repeats.
MESSAGES = {
    "SearchRequest": {4: ("limit", "uint32"), 5: ("start", "uint32"), 6: ("end", "uint32"), 8: ("query", "string"), 9: ("spans_per_span_set", "uint32")},
    "SearchResponse": {1: ("traces", ["TraceSearchMetadata"]), 2: ("metrics", "SearchMetrics")},
    "TraceSearchMetadata": {
        1: ("trace_id", "string"), 2: ("root_service_name", "string"), 3: ("root_trace_name", "string"),
        4: ("start_time_unix_nano", "uint64"), 5: ("duration_ms", "uint32"), 7: ("span_sets", ["SpanSet"]),
    },
    "SpanSet": {1: ("spans", ["Span"]), 2: ("matched", "uint32"), 3: ("attributes", [KEY_VALUE])},
    "Span": {1: ("span_id", "string"), 2: ("name", "string"), 5: ("attributes", [KEY_VALUE])},
    "SearchMetrics": {1: ("inspected_traces", "uint32"), 4: ("completed_jobs", "uint32"), 7: ("inspected_spans", "uint64")},
    "SearchTagsRequest": {1: ("scope", "string"), 2: ("query", "string"), 3: ("start", "uint32"), 4: ("end", "uint32"), 5: ("max", "uint32")},
    "SearchTagsResponse": {1: ("tag_names", ["string"])},
    "SearchTagsV2Response": {1: ("scopes", ["SearchTagsV2Scope"])},
    "SearchTagsV2Scope": {1: ("name", "string"), 2: ("tags", ["string"])},
    "SearchTagValuesRequest": {1: ("tag_name", "string"), 2: ("query", "string"), 4: ("start", "uint32"), 5: ("end", "uint32")},
    "SearchTagValuesResponse": {1: ("tag_values", ["string"])},
    "SearchTagValuesV2Response": {1: ("tag_values", ["TagValue"])},
    "TagValue": {1: ("type", "string"), 2: ("value", "string")},
    "QueryRangeRequest": {1: ("query", "string"), 2: ("start", "uint64"), 3: ("end", "uint64"), 4: ("step", "uint64"), 16: ("exemplars", "uint32"), 17: ("max_series", "uint32")},
    "QueryRangeResponse": {1: ("series", ["TimeSeries"]), 2: ("metrics", "SearchMetrics"), 3: ("status", "int32"), 4: ("message", "string")},
    "TimeSeries": {1: ("labels", [KEY_VALUE]), 2: ("samples", ["Sample"]), 4: ("exemplars", ["Exemplar"])},
    "Sample": {1: ("value", "double"), 2: ("timestamp_ms", "int64")},
    "Exemplar": {1: ("labels", [KEY_VALUE]), 2: ("value", "double"), 3: ("timestamp_ms", "int64")},
    "QueryInstantRequest": {1: ("query", "string"), 2: ("start", "uint64"), 3: ("end", "uint64")},
    "QueryInstantResponse": {1: ("series", ["InstantSeries"]), 2: ("metrics", "SearchMetrics"), 3: ("status", "int32"), 4: ("message", "string")},
    "InstantSeries": {1: ("labels", [KEY_VALUE]), 2: ("value", "double")},
}  # fmt: skip

#: Methods with what they take and give.
METHODS = {
    "Search": ("SearchRequest", "SearchResponse"),
    "SearchTags": ("SearchTagsRequest", "SearchTagsResponse"),
    "SearchTagsV2": ("SearchTagsRequest", "SearchTagsV2Response"),
    "SearchTagValues": ("SearchTagValuesRequest", "SearchTagValuesResponse"),
    "SearchTagValuesV2": ("SearchTagValuesRequest", "SearchTagValuesV2Response"),
    "MetricsQueryRange": ("QueryRangeRequest", "QueryRangeResponse"),
    "MetricsQueryInstant": ("QueryInstantRequest", "QueryInstantResponse"),
}


def _classes():
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="tempo.proto", package="tempopb", syntax="proto3", dependency=[common_pb2.DESCRIPTOR.name]
    )
    for message, fields in MESSAGES.items():
        described = file.message_type.add(name=message)
        for number, (name, kind) in fields.items():
            repeats = isinstance(kind, list)
            kind = kind[0] if repeats else kind
            part = described.field.add(name=name, number=number, label=field.LABEL_REPEATED if repeats else field.LABEL_OPTIONAL)
            if kind in MESSAGES or kind == KEY_VALUE:
                part.type = field.TYPE_MESSAGE
                part.type_name = f".{kind}" if kind == KEY_VALUE else f".tempopb.{kind}"
            else:
                part.type = getattr(field, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.Default()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tempopb.{name}")) for name in MESSAGES}


CLASSES = _classes()


def call(port, method, tenant=None, timeout=30, **fields):
    """The messages that a method of the server at a local port answers."""
    request, response = METHODS[method]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stream = channel.unary_stream(
            f"/tempopb.StreamingQuerier/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=CLASSES[response].FromString,
        )
        metadata = [("x-scope-orgid", tenant)] if tenant else []
        return list(stream(CLASSES[request](**fields), metadata=metadata, timeout=timeout))
