//! The recorder, its upkeep, and the text a scraper reads.
//!
//! Histograms buffer every sample until upkeep runs, so upkeep has its own thread and does not wait
//! for a scraper that may never come.

use std::{
    io,
    sync::{Arc, OnceLock, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::{log::DroppedLines, meters::Meters, metric::LATENCY_BUCKETS_S, registry::Registry};

const UPKEEP_PERIOD: Duration = Duration::from_secs(5);

/// The `Content-Type` of [`Exporter::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that is counted, and the thread that keeps it small. Stops when dropped.
pub struct Exporter {
    counted: Arc<Counted>,
    _upkeep: Ticker,
}

struct Counted {
    handle: PrometheusHandle,
    meters: Arc<Meters>,
    dropped: OnceLock<DroppedLines>,
}

impl Exporter {
    /// Builds a recorder of its own, with its upkeep thread. Fails where no thread can be started.
    pub fn start() -> io::Result<Self> {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&LATENCY_BUCKETS_S)
            .map_err(io::Error::other)?
            .build_recorder();
        let handle = recorder.handle();
        let meters = Arc::new(Meters::new(Registry::new(recorder)));
        let counted = Arc::new(Counted { handle, meters, dropped: OnceLock::new() });
        let kept = Arc::clone(&counted);
        let upkeep = Ticker::start(UPKEEP_PERIOD, move || kept.handle.run_upkeep())?;
        Ok(Self { counted, _upkeep: upkeep })
    }

    pub fn meters(&self) -> &Arc<Meters> {
        &self.counted.meters
    }

    /// Shows the log's lost lines among the metrics. The first call wins.
    pub fn watch(&self, dropped: DroppedLines) {
        let _already = self.counted.dropped.set(dropped);
    }

    /// The metrics in Prometheus' text format. Takes milliseconds where there are many series.
    pub fn render(&self) -> String {
        if let Some(dropped) = self.counted.dropped.get() {
            self.counted.meters.log_lines_dropped(dropped.count());
        }
        self.counted.handle.render()
    }
}

/// A thread that does one thing again and again until it is dropped.
struct Ticker {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(period: Duration, mut work: impl FnMut() + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new().name("metrics-upkeep".to_owned()).spawn(move || {
            while stopped.recv_timeout(period) == Err(mpsc::RecvTimeoutError::Timeout) {
                work();
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticker_works_without_being_asked_and_stops_when_dropped() {
        let (ticked, ticks) = mpsc::channel();
        let ticker = Ticker::start(Duration::from_millis(1), move || {
            let _gone = ticked.send(());
        })
        .unwrap();
        for _ in 0..3 {
            ticks.recv().unwrap();
        }
        drop(ticker);
        while ticks.try_recv().is_ok() {}
        assert_eq!(ticks.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}
