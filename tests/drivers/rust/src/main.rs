//! tokio-postgres: prepared and typed queries, pipelining by joined futures, binary COPY, portals, cancel tokens.

mod checks;

use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

static WHY: Mutex<String> = Mutex::new(String::new());

/// Reports a check: it fails by a panic, or after 120 seconds.
async fn run<F: Future<Output = ()> + Send + 'static>(name: &str, check: F) {
    let task = tokio::spawn(check);
    let stop = task.abort_handle();
    let why = match tokio::time::timeout(Duration::from_secs(120), task).await {
        Ok(Ok(())) => return println!("ok {name}"),
        Ok(Err(_)) => std::mem::take(&mut *WHY.lock().unwrap()),
        Err(_) => "still running after 120 s".into(),
    };
    stop.abort();
    println!("not ok {name}: {}", why.replace('\n', " "));
}

#[tokio::main]
async fn main() {
    std::panic::set_hook(Box::new(|what| *WHY.lock().unwrap() = what.to_string()));
    run("connect", checks::connect()).await;
    run("tls", checks::tls()).await;
    run("prepared", checks::prepared()).await;
    run("transactions", checks::transactions()).await;
    run("errors", checks::errors()).await;
    run("copy", checks::copy()).await;
    run("cancel", checks::cancel()).await;
    run("values", checks::values()).await;
    run("sharing", checks::sharing()).await;
    run("listen", checks::listen()).await;
    run("pipeline", checks::pipeline()).await;
    run("shards", checks::shards()).await;
}
