//! Waiting for something, until it is there, time is over, or the person at the terminal has waited enough.

use lapwing_api::problem::Problem;
use std::io::Write;
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

/// From now on Ctrl-C ends the process with `parting` instead of in the middle of a line.
pub fn until_interrupted(parting: &'static str) {
    static ONCE: Once = Once::new();
    static PARTING: Mutex<&str> = Mutex::new("");
    *PARTING.lock().unwrap_or_else(PoisonError::into_inner) = parting;
    ONCE.call_once(|| {
        std::thread::spawn(|| {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                let parting = *PARTING.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = writeln!(std::io::stderr(), "\n{parting}");
                std::process::exit(130);
            }
        });
    });
}

/// Asks `look` again and again until it answers or `limit` is over.
pub fn poll<T>(limit: Duration, mut look: impl FnMut() -> Result<Option<T>, Problem>) -> Result<Option<T>, Problem> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        let left = limit.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_what_it_waits_for_or_with_the_time() {
        let mut left = 3;
        let found = poll(Duration::from_secs(5), || {
            left -= 1;
            Ok((left == 0).then_some("here"))
        });
        assert_eq!(found, Ok(Some("here")));
        assert_eq!(poll(Duration::from_millis(60), || Ok(None::<()>)), Ok(None));
    }
}
