// The trace that test_otel_traces.py looks for, under the Go SDK; where to send and who sends is in OTEL_* variables.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func main() {
	ctx := context.Background()
	exporter, err := newExporter(ctx)
	check(err)
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter))
	tracer := provider.Tracer("bookshop", trace.WithInstrumentationVersion("1.2.3"))
	start := time.Now().Add(-10 * time.Second)
	at := func(milliseconds int) trace.SpanEventOption {
		return trace.WithTimestamp(start.Add(time.Duration(milliseconds) * time.Millisecond))
	}

	_, earlier := tracer.Start(ctx, "earlier order", at(-100))
	earlier.End(at(-50))

	calling, checkout := tracer.Start(ctx, "checkout", trace.WithSpanKind(trace.SpanKindClient), at(0))
	w3c := propagation.TraceContext{}
	headers := propagation.MapCarrier{}
	w3c.Inject(calling, headers)
	headers["tracestate"] = "shop=till-1"

	called, order := tracer.Start(w3c.Extract(ctx, headers), "POST /orders", trace.WithSpanKind(trace.SpanKindServer), at(10),
		trace.WithAttributes(
			attribute.String("http.route", "/orders"),
			attribute.Int("http.response.status_code", 200),
			attribute.Float64("cart.total", 12.5),
			attribute.Bool("cart.gift", true),
			attribute.StringSlice("cart.items", []string{"atlas", "novel"}),
			attribute.Float64Slice("cart.prices", []float64{4.25, 8.25}),
		))
	_, charge := tracer.Start(called, "charge card", trace.WithSpanKind(trace.SpanKindClient), at(20))
	charge.AddEvent("retry", trace.WithAttributes(attribute.Int("attempt", 2)), at(30))
	charge.RecordError(errors.New("no money"), at(40))
	charge.SetStatus(codes.Error, "card was declined")
	charge.End(at(270))
	_, receipt := tracer.Start(called, "send receipt", trace.WithSpanKind(trace.SpanKindProducer), at(280),
		trace.WithLinks(trace.Link{
			SpanContext: earlier.SpanContext(),
			Attributes:  []attribute.KeyValue{attribute.String("reason", "again")},
		}))
	receipt.SetStatus(codes.Ok, "")
	receipt.End(at(290))
	order.End(at(300))
	checkout.End(at(310))
	check(provider.Shutdown(ctx))
	fmt.Println(checkout.SpanContext().TraceID())
	fmt.Println(earlier.SpanContext().TraceID())
}

func newExporter(ctx context.Context) (*otlptrace.Exporter, error) {
	switch protocol := os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"); protocol {
	case "grpc":
		return otlptracegrpc.New(ctx)
	case "http/protobuf":
		return otlptracehttp.New(ctx)
	default:
		return nil, fmt.Errorf("the Go SDK does not speak %q", protocol)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
