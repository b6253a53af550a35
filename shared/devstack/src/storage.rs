//! DynamoDB and S3 in this process.

use std::path::Path;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

use crate::DevError;

/// Serves DynamoDB from a file, until the process ends.
pub(crate) fn serve_dynamodb(listener: TcpListener, file: &Path) -> Result<(), DevError> {
    let doing = || format!("opening {}", file.display());
    let path = file.to_str().ok_or_else(|| DevError::while_doing(doing(), "the path is not UTF-8"))?;
    let database = dynoxide::Database::new(path).map_err(|error| DevError::while_doing(doing(), error))?;
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    Ok(())
}

/// Serves S3 from a folder, until the process ends.
pub(crate) fn serve_s3(listener: TcpListener, folder: &Path, key_id: &str, secret: &str) -> Result<(), DevError> {
    let doing = || format!("opening {}", folder.display());
    std::fs::create_dir_all(folder).map_err(|error| DevError::while_doing(doing(), error))?;
    let files =
        s3s_fs::FileSystem::new(folder).map_err(|error| DevError::while_doing(doing(), format!("{error:?}")))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(key_id, secret));
    let service = builder.build();
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let service = service.clone();
            tokio::spawn(async move {
                let connection = Builder::new(TokioExecutor::new());
                // A connection that breaks is its client's business.
                let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(())
}
