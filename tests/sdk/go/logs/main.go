// The records that test_otel_logs.py looks for, under the Go SDK; where to send and who sends is in OTEL_* variables.
package main

import (
	"context"
	"fmt"
	stdlog "log"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdk "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	ctx := context.Background()
	exporter, err := newExporter(ctx)
	check(err)
	provider := sdk.NewLoggerProvider(sdk.WithProcessor(sdk.NewBatchProcessor(exporter)))
	logger := provider.Logger("bookshop", log.WithInstrumentationVersion("1.2.3"))
	start := time.Now().Add(-10 * time.Second)

	inside, span := trace.NewTracerProvider().Tracer("bookshop").Start(ctx, "order")
	order := record(start, log.SeverityInfo, attribute.StringValue("order received"))
	order.AddAttributes(
		attribute.String("http.route", "/orders"),
		attribute.Int("http.response.status_code", 200),
		attribute.Float64("cart.total", 12.5),
		attribute.Bool("cart.gift", true),
		attribute.StringSlice("cart.items", []string{"atlas", "novel"}),
		attribute.KeyValue{
			Key:   "cart.owner",
			Value: attribute.MapValue(attribute.String("name", "Ada"), attribute.Int("visits", 3)),
		},
	)
	logger.Emit(inside, order)
	span.End()

	logger.Emit(ctx, record(start.Add(time.Millisecond), log.SeverityWarn, attribute.MapValue(
		attribute.String("what", "stock is low"),
		attribute.Int("left", 3),
		attribute.KeyValue{Key: "shelf", Value: attribute.MapValue(attribute.String("row", "B"))},
	)))

	declined := record(start.Add(2*time.Millisecond), log.SeverityError,
		attribute.StringValue("card \"7\" was declined\n\tat the till: naïve ☕"))
	declined.SetEventName("card.declined")
	declined.AddAttributes(
		attribute.String("exception.type", "*errors.errorString"),
		attribute.String("exception.message", "no money"),
	)
	logger.Emit(ctx, declined)
	check(provider.Shutdown(ctx))
	fmt.Println(span.SpanContext().TraceID(), start.UnixNano())
}

func record(at time.Time, severity log.Severity, body attribute.Value) log.Record {
	var record log.Record
	record.SetTimestamp(at)
	record.SetSeverity(severity)
	record.SetSeverityText(severity.String())
	record.SetBody(body)
	return record
}

func newExporter(ctx context.Context) (sdk.Exporter, error) {
	switch protocol := os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"); protocol {
	case "grpc":
		return otlploggrpc.New(ctx)
	case "http/protobuf":
		return otlploghttp.New(ctx)
	default:
		return nil, fmt.Errorf("the Go SDK does not speak %q", protocol)
	}
}

func check(err error) {
	if err != nil {
		stdlog.Fatal(err)
	}
}
