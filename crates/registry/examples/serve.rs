//! The registry alone, for trying clients and for measuring: `serve ADDRESS DATA PASSWORD`.

use std::net::SocketAddr;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let address = words.next().unwrap_or_else(|| "127.0.0.1:5001".into());
    let data = words.next().unwrap_or_else(|| "portwarden-data".into());
    let password = words.next().unwrap_or_else(|| "pw".into());
    let settings = store::Settings { data: data.into(), ..store::Settings::default() };
    let store = store::Store::open(&settings).await?;
    store.ensure_admin(Some(&password)).await?;
    let router = registry::router(store, registry::Settings::default()).await?;
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
