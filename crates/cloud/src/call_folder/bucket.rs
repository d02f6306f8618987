//! Call folders in a bucket (S3).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_types::SdkConfig;
use jiff::Timestamp;
use object_store::aws::{AmazonS3Builder, AwsCredential, S3ConditionalPut};
use object_store::{ClientOptions, CredentialProvider, RetryConfig};
use tokio::sync::Mutex;

use super::{CallFolders, StoreError, TRY_FOR};

/// How often a client of a bucket repeats a request by itself: with its own default, ten times and growing pauses,
/// one of our tries would last for minutes.
const FEW_RETRIES: usize = 3;
/// Of one request to a bucket.
const CONNECTED_WITHIN: Duration = Duration::from_secs(3);
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// Credentials that expire sooner are asked for again.
const STILL_GOOD: Duration = Duration::from_secs(300);

impl CallFolders {
    /// Call folders in a bucket. Region, credentials and, for an emulator, `AWS_ENDPOINT_URL` are taken from the
    /// environment, as a function or a task has them.
    pub fn in_bucket(bucket: &str) -> Result<Self, StoreError> {
        over_bucket(bucket, AmazonS3Builder::from_env())
    }

    /// Call folders in a bucket, reached as `aws` says: with the profiles, single sign-on and roles that every AWS
    /// tool knows.
    pub fn in_bucket_of(bucket: &str, aws: &SdkConfig) -> Result<Self, StoreError> {
        let mut builder = AmazonS3Builder::from_env();
        if let Some(region) = aws.region() {
            builder = builder.with_region(region.as_ref());
        }
        if let Some(endpoint) = aws.endpoint_url() {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(provider) = aws.credentials_provider() {
            builder = builder.with_credentials(Arc::new(AsEveryTool { provider, known: Mutex::default() }));
        }
        over_bucket(bucket, builder)
    }
}

fn over_bucket(bucket: &str, builder: AmazonS3Builder) -> Result<CallFolders, StoreError> {
    // Plain HTTP is an emulator's, which only `AWS_ENDPOINT_URL` can name.
    let options = ClientOptions::new().with_allow_http(true);
    let options = options.with_connect_timeout(CONNECTED_WITHIN).with_timeout(ANSWERED_WITHIN);
    let store = builder
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        // Short: whoever waits for the bucket has a message or a call in hand, and tries again in its own way.
        .with_client_options(options)
        .with_retry(RetryConfig {
            max_retries: FEW_RETRIES,
            retry_timeout: TRY_FOR,
            ..RetryConfig::default()
        })
        .build();
    let failed = |error: object_store::Error| StoreError::Unavailable {
        path: format!("s3://{bucket}"),
        detail: error.to_string(),
    };
    Ok(CallFolders::over(Arc::new(store.map_err(failed)?)))
}

/// The AWS SDK's credentials, for the object store.
#[derive(Debug)]
struct AsEveryTool {
    provider: SharedCredentialsProvider,
    known: Mutex<Option<(Credentials, Arc<AwsCredential>)>>,
}

#[async_trait]
impl CredentialProvider for AsEveryTool {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut known = self.known.lock().await;
        if let Some((credentials, credential)) = known.as_ref()
            && is_good(credentials, Timestamp::now())
        {
            return Ok(credential.clone());
        }
        let failed = |error| object_store::Error::Generic { store: "S3", source: Box::new(error) };
        let credentials = self.provider.provide_credentials().await.map_err(failed)?;
        let credential = Arc::new(AwsCredential {
            key_id: credentials.access_key_id().to_owned(),
            secret_key: credentials.secret_access_key().to_owned(),
            token: credentials.session_token().map(str::to_owned),
        });
        *known = Some((credentials, credential.clone()));
        Ok(credential)
    }
}

fn is_good(credentials: &Credentials, now: Timestamp) -> bool {
    let Some(expiry) = credentials.expiry() else { return true };
    Timestamp::try_from(expiry).is_ok_and(|expiry| now + STILL_GOOD < expiry)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::SystemTime;

    use aws_credential_types::provider::{ProvideCredentials, future};

    use super::*;

    /// Hands out credentials that last so long, and counts.
    #[derive(Debug)]
    struct Source(Option<Duration>, Arc<AtomicU32>);

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            self.1.fetch_add(1, Ordering::Relaxed);
            let now: SystemTime = Timestamp::now().into();
            let expiry = self.0.map(|lasts| now + lasts);
            future::ProvideCredentials::ready(Ok(Credentials::new("id", "key", None, expiry, "test")))
        }
    }

    async fn asked_for_in_three_uses(lasts: Option<Duration>) -> u32 {
        let asked = Arc::new(AtomicU32::new(0));
        let provider = SharedCredentialsProvider::new(Source(lasts, asked.clone()));
        let provider = AsEveryTool { provider, known: Mutex::default() };
        for _ in 0..3 {
            assert_eq!(provider.get_credential().await.unwrap().key_id, "id");
        }
        asked.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn credentials_are_asked_for_again_before_they_expire() {
        assert_eq!(asked_for_in_three_uses(None).await, 1);
        assert_eq!(asked_for_in_three_uses(Some(Duration::from_secs(3600))).await, 1);
        assert_eq!(asked_for_in_three_uses(Some(Duration::from_secs(60))).await, 3);
    }
}
