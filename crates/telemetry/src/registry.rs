//! Where meters come from: the recorder, asked with one of the known [`Metric`]s.
//!
//! Registering takes a lock and allocates; it happens once a series, never once a request.

use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::PrometheusRecorder;

use crate::metric::{ALL, Kind, Metric};

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

#[derive(Clone)]
pub(crate) struct Registry(Arc<PrometheusRecorder>);

impl Registry {
    /// Takes over a recorder and gives every metric its help text.
    pub(crate) fn new(recorder: PrometheusRecorder) -> Self {
        for metric in ALL {
            let (name, help) = (KeyName::from_const_str(metric.name), SharedString::const_str(metric.help));
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge => recorder.describe_gauge(name, None, help),
                Kind::Histogram => recorder.describe_histogram(name, None, help),
            }
        }
        Self(Arc::new(recorder))
    }

    /// `values` stand in the order of the metric's labels.
    pub(crate) fn counter<const N: usize>(&self, metric: &Metric, values: [SharedString; N]) -> Counter {
        self.0.register_counter(&key(metric, values), &METADATA)
    }

    pub(crate) fn gauge<const N: usize>(&self, metric: &Metric, values: [SharedString; N]) -> Gauge {
        self.0.register_gauge(&key(metric, values), &METADATA)
    }

    pub(crate) fn histogram<const N: usize>(&self, metric: &Metric, values: [SharedString; N]) -> Histogram {
        self.0.register_histogram(&key(metric, values), &METADATA)
    }
}

fn key<const N: usize>(metric: &Metric, values: [SharedString; N]) -> Key {
    debug_assert_eq!(metric.labels.len(), N, "{}", metric.name);
    let labels: Vec<Label> =
        metric.labels.iter().zip(values).map(|(name, value)| Label::new(*name, value)).collect();
    Key::from_parts(metric.name, labels)
}
