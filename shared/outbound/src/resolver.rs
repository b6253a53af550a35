//! Names into addresses: whatever a name leads to, only addresses that may be called come out.
//!
//! The connection is made to what comes out, and to nothing else; nobody asks a second time in between.
//! So a name may change what it leads to as often as it likes. Of a name that leads to good and bad
//! addresses, the good ones are left: a name may be there for a private network and for the public.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::call_failure::Blocked;
use crate::guard::AddressGuard;

/// Something that knows what names lead to.
pub trait Resolver: Debug + Send + Sync {
    /// The addresses of a name; their ports mean nothing.
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// The resolver of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect()) })
    }
}

/// Another resolver, but for what must not be called.
pub(crate) struct GuardedResolver {
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) guard: AddressGuard,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, name) = (self.guard.clone(), name.as_str().to_owned());
        let resolving = self.resolver.resolve(name.clone());
        Box::pin(async move {
            let resolved = resolving.await?;
            let allowed: Vec<_> = resolved.iter().copied().filter(|address| guard.allows(address.ip())).collect();
            if allowed.is_empty() && !resolved.is_empty() {
                return Err(Blocked(name).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
