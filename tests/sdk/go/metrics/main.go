// The metrics that test_otel_metrics.py looks for, under the Go SDK; where to send and who sends is in OTEL_* variables.
package main

import (
	"context"
	"fmt"
	"log"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	ctx := context.Background()
	exporter, err := otlpmetrichttp.New(ctx)
	check(err)
	exponential := sdk.NewView(
		sdk.Instrument{Name: "shop.payload.size"},
		sdk.Stream{Aggregation: sdk.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}},
	)
	provider := sdk.NewMeterProvider(sdk.WithReader(sdk.NewPeriodicReader(exporter)), sdk.WithView(exponential))
	meter := provider.Meter("bookshop", metric.WithInstrumentationVersion("1.2.3"))
	orders, err := meter.Int64Counter("shop.orders", metric.WithUnit("{order}"), metric.WithDescription("Orders taken."))
	check(err)
	stock, err := meter.Int64UpDownCounter("shop.stock", metric.WithUnit("{book}"))
	check(err)
	duration, err := meter.Float64Histogram("shop.order.duration", metric.WithUnit("ms"),
		metric.WithExplicitBucketBoundaries(5, 10, 25, 100))
	check(err)
	payload, err := meter.Float64Histogram("shop.payload.size", metric.WithUnit("By"))
	check(err)
	_, err = meter.Float64ObservableGauge("shop.room.temperature", metric.WithUnit("Cel"),
		metric.WithFloat64Callback(func(_ context.Context, observer metric.Float64Observer) error {
			observer.Observe(21.5)
			return nil
		}))
	check(err)

	method := attribute.String("payment.method", "card")
	ctx, span := trace.NewTracerProvider().Tracer("bookshop").Start(ctx, "order")
	for _, milliseconds := range []float64{3, 7, 20, 250} {
		orders.Add(ctx, 1, metric.WithAttributes(method, attribute.Int("http.response.status_code", 200)))
		duration.Record(ctx, milliseconds, metric.WithAttributes(method))
		payload.Record(ctx, 1000*milliseconds)
	}
	stock.Add(ctx, 10)
	stock.Add(ctx, -3)
	fmt.Println(span.SpanContext().TraceID())
	check(provider.Shutdown(ctx))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
