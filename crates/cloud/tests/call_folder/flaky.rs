//! A store in memory whose puts go wrong in the ways in which an object store's do.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// How one put goes.
#[derive(Clone, Copy, Debug)]
pub enum Put {
    /// It is stored, and the acknowledgement is lost.
    GetsThroughAndFails,
    /// It is not stored, and fails.
    Fails,
    /// It is not stored, and "exists" is the answer: two puts met.
    SaysExists,
}

#[derive(Debug)]
pub struct Flaky {
    inner: InMemory,
    plan: Mutex<VecDeque<Put>>,
    down: bool,
    puts: AtomicUsize,
}

impl Flaky {
    /// The first puts go as told, all later ones well.
    pub fn with(plan: impl IntoIterator<Item = Put>) -> Arc<Self> {
        let plan = Mutex::new(plan.into_iter().collect());
        Arc::new(Self { inner: InMemory::new(), plan, down: false, puts: AtomicUsize::new(0) })
    }

    /// Every put fails.
    pub fn down() -> Arc<Self> {
        let plan = Mutex::default();
        Arc::new(Self { inner: InMemory::new(), plan, down: true, puts: AtomicUsize::new(0) })
    }

    /// How many puts were tried.
    pub fn puts(&self) -> usize {
        self.puts.load(Ordering::SeqCst)
    }
}

fn failure() -> Error {
    Error::Generic { store: "flaky", source: "a bad moment".into() }
}

#[async_trait]
impl ObjectStore for Flaky {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.puts.fetch_add(1, Ordering::SeqCst);
        let goes = if self.down { Some(Put::Fails) } else { self.plan.lock().unwrap().pop_front() };
        match goes {
            None => self.inner.put_opts(location, payload, opts).await,
            Some(Put::Fails) => Err(failure()),
            Some(Put::SaysExists) => {
                Err(Error::AlreadyExists { path: location.to_string(), source: "409".into() })
            }
            Some(Put::GetsThroughAndFails) => {
                self.inner.put_opts(location, payload, opts).await?;
                Err(failure())
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flaky")
    }
}
