//! Who asks: the tenant by host name, the address behind the proxies that are trusted, the user agent.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::{HeaderMap, header, request::Parts};
use ipnet::IpNet;
use url::Url;
use vestibule_store::TenantId;

use crate::{app::App, error::ApiError, oauth::scope};

/// The longest user agent that is kept, in characters.
const USER_AGENT_CHARS: usize = 512;

/// Whose word about a request's origin is taken.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    /// Whether this is one of them.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        self.0.iter().any(|net| net.contains(&address))
    }

    /// The address a request came from: the last one in `X-Forwarded-For` that is no trusted proxy, if the peer is one;
    /// else the peer.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = canonical(peer);
        if !self.trusts(peer) {
            return peer;
        }
        let forwarded = headers.get_all("x-forwarded-for").into_iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).map(str::trim).collect();
        let mut client = peer;
        for hop in hops.into_iter().rev() {
            // Whatever stands before something unreadable was written by nobody we trust.
            let Some(address) = address(hop) else { return client };
            client = address;
            if !self.trusts(address) {
                return address;
            }
        }
        client
    }
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.trim_start_matches('[').trim_end_matches(']').parse().ok();
    plain.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip())).map(canonical)
}

/// An IPv4 address that came over an IPv6 socket is an IPv4 address.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Who asks. Every handler takes one; nothing in it comes from a parameter of the request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The tenant, by host name; the default one for a host that belongs to none.
    pub tenant: TenantId,
    /// The tenant's own URL, with a slash at its end: its issuer, and the base of its links (HS-13, HS-41).
    pub issuer: String,
    /// The host of that URL.
    pub hostname: String,
    /// The address of the client, behind the proxies that are trusted.
    pub address: IpAddr,
    /// What the client says it is.
    pub user_agent: Option<String>,
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(socket)| socket.ip());
        let peer = canonical(peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        let header = |name| parts.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let authority = parts.uri.authority().map(http::uri::Authority::as_str).or_else(|| header(header::HOST));
        let (tenant, base) = tenant(app, authority.unwrap_or_default()).await?;
        Ok(Self {
            tenant,
            issuer: scope::issuer(&base),
            hostname: base.host_str().unwrap_or_default().to_owned(),
            address: app.settings.trusted_proxies.client(peer, &parts.headers),
            user_agent: header(header::USER_AGENT).map(|text| text.chars().take(USER_AGENT_CHARS).collect()),
        })
    }
}

/// The tenant that a host name belongs to, and the URL it is reached at.
async fn tenant(app: &App, authority: &str) -> Result<(TenantId, Url), ApiError> {
    let public = &app.settings.public_url;
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_ascii_lowercase();
    if host.is_empty() || public.host_str() == Some(host.as_str()) {
        return Ok((TenantId::default(), public.clone()));
    }
    let mut base = public.clone();
    match app.store.tenant_by_host(&host).await? {
        Some(tenant) if base.set_host(Some(&host)).is_ok() => Ok((tenant.id, base)),
        Some(_) | None => Ok((TenantId::default(), public.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let trusted = TrustedProxies(vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        trusted.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_trusted_proxies_say_where_a_request_came_from() {
        assert_eq!(client("203.0.113.1", &["198.51.100.7"]), "203.0.113.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_the_client_itself_wrote_before_the_proxies_is_not_believed() {
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(client("::1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &["198.51.100.7, unknown"]), "10.0.0.1");
    }
}
