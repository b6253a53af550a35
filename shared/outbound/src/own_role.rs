//! Sundial's own role, where the deployment lets it write to a bucket of somebody else's.

use aws_sdk_s3::config::{Region, RequestChecksumCalculation};

/// Signs with the credentials that the function has itself.
#[derive(Clone, Debug)]
pub struct OwnRole(aws_sdk_s3::Client);

impl OwnRole {
    /// The role whose credentials this client has.
    pub fn new(client: aws_sdk_s3::Client) -> Self {
        Self(client)
    }

    /// A client of the same role for a bucket in this region.
    pub(crate) fn client_in(&self, region: &str) -> aws_sdk_s3::Client {
        let config = self.0.config().to_builder().region(Region::new(region.to_owned()));
        let config = config.request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        aws_sdk_s3::Client::from_conf(config.build())
    }
}
