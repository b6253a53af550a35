//! Items that a process of this function has died of.
//!
//! The functions are built so that a panic ends the process: unwinding would make them a tenth larger. Were it the same item
//! each time, every tick would come as far as this item, and nothing behind it would ever start. So what was worked on in the
//! thread that panics is noted in a file; the process that Lambda starts next in the same execution environment finds the file
//! there, and leaves the item alone for an hour: somebody may have changed it by then.

use std::collections::BTreeMap;
use std::fs::{OpenOptions, read_to_string};
use std::io::Write as _;
use std::panic;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use sundial_model::Timestamp;
use sundial_runtime::clock;
use sundial_store::Wake;

/// An item is tried again after this long. Should the process die once more, that costs others a minute at most.
const SET_ASIDE_FOR: Duration = Duration::from_secs(3600);

tokio::task_local! {
    /// The item that the task works on.
    static AT_WORK_ON: Wake;
}

static SET_ASIDE: OnceLock<SetAside> = OnceLock::new();

/// What was noted before this process began: items, and when it was the last time.
#[derive(Debug, Default)]
struct SetAside(BTreeMap<String, Timestamp>);

impl SetAside {
    fn read(file: &PathBuf) -> Self {
        let noted = read_to_string(file).unwrap_or_default();
        // Later lines replace earlier ones.
        let item = |line: &str| line.split_once(' ').and_then(|(at, item)| Some((item.to_owned(), at.parse().ok()?)));
        Self(noted.lines().filter_map(item).collect())
    }

    fn has(&self, wake: &Wake, now: Timestamp) -> bool {
        let noted_at = if self.0.is_empty() { None } else { self.0.get(&format!("{wake:?}")) };
        noted_at.is_some_and(|at| now.since(*at) < SET_ASIDE_FOR)
    }
}

/// An item as the file has it.
fn line(at: Timestamp, wake: &Wake) -> String {
    format!("{at} {wake:?}\n")
}

/// From now on, an item that this process dies of is noted in `file`, and those that stand there already are left
/// alone. For a process that is a function, once.
pub fn start(file: PathBuf) {
    let _ = SET_ASIDE.set(SetAside::read(&file));
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // Outside of a task that works on an item there is none to blame.
        let _ = AT_WORK_ON.try_with(|wake| note(&file, wake));
        report(info);
    }));
}

fn note(file: &PathBuf, wake: &Wake) {
    let written = OpenOptions::new().create(true).append(true).open(file).and_then(|mut file| {
        // In one piece: other threads may panic as well.
        file.write_all(line(clock::now(), wake).as_bytes())
    });
    match written {
        Ok(()) => tracing::error!(?wake, "the function dies of an item, which is set aside"),
        Err(error) => tracing::error!(?wake, %error, "the function dies of an item, which cannot be set aside"),
    }
}

/// Works on an item, which is to blame for a panic meanwhile.
pub(crate) fn working_on<F: Future>(wake: Wake, work: F) -> impl Future<Output = F::Output> {
    AT_WORK_ON.scope(wake, work)
}

/// Whether an item is to be left alone for now.
pub(crate) fn is_set_aside(wake: &Wake, now: Timestamp) -> bool {
    SET_ASIDE.get().is_some_and(|set_aside| set_aside.has(wake, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[tokio::test]
    async fn what_a_process_dies_of_is_left_alone_by_the_next_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("set-aside");
        let [poison, other, third] = [(); 3].map(|()| Wake::Sweep { note: Uuid::new_v4() });
        start(file.clone());
        assert!(!is_set_aside(&poison, clock::now()), "nothing has happened yet");

        let working = tokio::spawn(working_on(poison.clone(), async { panic!("of the item") }));
        assert!(working.await.is_err_and(|error| error.is_panic()));
        assert!(tokio::spawn(async { panic!("of nothing") }).await.is_err());
        tokio::spawn(working_on(other.clone(), async {})).await.expect("work without a panic");
        tokio::spawn(working_on(third.clone(), async { panic!("of another one") })).await.expect_err("a panic");

        let (next, now) = (SetAside::read(&file), clock::now());
        assert_eq!([&poison, &other, &third].map(|wake| next.has(wake, now)), [true, false, true]);
        assert!(!next.has(&poison, now + SET_ASIDE_FOR), "then it is tried again");
        std::fs::write(&file, line(now, &poison) + &line(now + SET_ASIDE_FOR, &poison)).expect("a file");
        assert!(SetAside::read(&file).has(&poison, now + SET_ASIDE_FOR), "it was fatal again");
    }
}
