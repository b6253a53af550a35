//! Which stored secrets a list of notifications may keep that takes the place of another one: they
//! may have been reordered, added, taken out, or sent to another path, and their values are redacted.

use std::collections::BTreeSet;

use crate::secret::SecretPlace;
use crate::sink::Notification;

/// The places of the secrets of a new list, with the keys under which they may be stored for the old one.
pub(crate) fn places_of_notifications<'a>(
    new: &'a mut [Notification],
    old: &[Notification],
) -> Vec<(Vec<String>, SecretPlace<'a>)> {
    let sources = sources(new, old);
    let mut places = Vec::new();
    for ((index, notification), sources) in new.iter_mut().enumerate().zip(sources) {
        let destination = notification.destination(index);
        places.extend(notification.secret_places(index).into_iter().map(|place| {
            let name = place.key.strip_prefix(&destination).unwrap_or_default();
            (sources.iter().map(|source| format!("{source}{name}")).collect(), place)
        }));
    }
    places
}

/// For each notification of a new list, the destinations under which its secrets may be stored: as
/// a rule the one of the same URL. One whose URL is new goes on from those of the same scheme, host
/// and port that nothing else goes on from. Where these are several, with different values, there
/// is no telling.
fn sources(new: &[Notification], old: &[Notification]) -> Vec<Vec<String>> {
    let mut taken = BTreeSet::new();
    let mut take = |notification: &Notification| {
        let mut free = old.iter().enumerate().filter(|(index, _)| !taken.contains(index));
        let (index, _) = free.find(|(_, before)| goes_on(notification, before))?;
        taken.insert(index);
        Some(index)
    };
    let of_same_url: Vec<_> = new.iter().map(&mut take).collect();
    let of_same_place = |notification: &Notification| {
        let origin = notification.url().origin();
        let found = old.iter().enumerate().filter(|(_, before)| before.url().origin() == origin);
        let found: Vec<_> = found.map(|(index, _)| index).collect();
        let free: Vec<_> = found.iter().copied().filter(|index| !taken.contains(index)).collect();
        if free.is_empty() { found } else { free }
    };
    let indices = new.iter().zip(of_same_url).map(|(notification, index)| match index {
        Some(index) => vec![index],
        None => of_same_place(notification),
    });
    indices.map(|indices| indices.into_iter().map(|index| old[index].destination(index)).collect()).collect()
}

/// Whether this can be that one: it has the same URL, and what is redacted was there.
fn goes_on(notification: &Notification, before: &Notification) -> bool {
    let names: BTreeSet<_> = before.headers().0.keys().map(|name| name.to_ascii_lowercase()).collect();
    let redacted = notification.headers().0.iter().filter(|(_, value)| value.is_redacted());
    notification.url().canonical() == before.url().canonical()
        && redacted.into_iter().all(|(name, _)| names.contains(&name.to_ascii_lowercase()))
}
