//! Headers that are sent with every response.

use crate::registry::{section, variable};
use crate::rules::{HeaderValue, optional};

section! {
    /// Headers that are sent with every response; each is left out when its variable is empty.
    pub struct SecurityHeaders, "Response headers" {
        /// Value of `Strict-Transport-Security`.
        strict_transport_security: Option<String> = variable("HSTS", optional(HeaderValue));
        /// Value of `Cache-Control`, for responses that set none of their own.
        cache_control: Option<String> = variable("CACHE_CONTROL", optional(HeaderValue));
        /// Value of `Permissions-Policy`.
        permissions_policy: Option<String> = variable("PERMISSIONS_POLICY", optional(HeaderValue));
        /// Value of `Referrer-Policy`.
        referrer_policy: Option<String> = variable("REFERRER_POLICY", optional(HeaderValue));
        /// Value of `X-Content-Type-Options`.
        content_type_options: Option<String> = variable("XCONTENT_TYPE", optional(HeaderValue));
        /// Value of `X-Download-Options`.
        download_options: Option<String> = variable("XDOWNLOAD_OPTIONS", optional(HeaderValue));
        /// Value of `X-Frame-Options`.
        frame_options: Option<String> = variable("XFRAME_OPTIONS", optional(HeaderValue));
        /// Value of `X-Permitted-Cross-Domain-Policies`.
        permitted_cross_domain_policies: Option<String> =
            variable("XPERMITTED_CROSS_DOMAIN_POLICIES", optional(HeaderValue));
        /// Value of `Content-Security-Policy`.
        content_security_policy: Option<String> = variable("CONTENT_SECURITY_POLICY", optional(HeaderValue));
        /// Value of `Content-Security-Policy-Report-Only`.
        content_security_policy_report_only: Option<String> =
            variable("CONTENT_SECURITY_POLICY_REPORT_ONLY", optional(HeaderValue));
        /// Value of `Cross-Origin-Embedder-Policy`.
        embedder_policy: Option<String> = variable("CROSS_ORIGIN_EMBEDDER_POLICY", optional(HeaderValue));
        /// Value of `Cross-Origin-Opener-Policy`.
        opener_policy: Option<String> = variable("CROSS_ORIGIN_OPENER_POLICY", optional(HeaderValue));
        /// Value of `Cross-Origin-Resource-Policy`.
        resource_policy: Option<String> = variable("CROSS_ORIGIN_RESOURCE_POLICY", optional(HeaderValue));
        /// Value of `Reporting-Endpoints`.
        reporting_endpoints: Option<String> = variable("REPORTING_ENDPOINTS", optional(HeaderValue));
    }
}

impl SecurityHeaders {
    /// The headers that are set: name in lower case, and value.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("strict-transport-security", &self.strict_transport_security),
            ("cache-control", &self.cache_control),
            ("permissions-policy", &self.permissions_policy),
            ("referrer-policy", &self.referrer_policy),
            ("x-content-type-options", &self.content_type_options),
            ("x-download-options", &self.download_options),
            ("x-frame-options", &self.frame_options),
            ("x-permitted-cross-domain-policies", &self.permitted_cross_domain_policies),
            ("content-security-policy", &self.content_security_policy),
            ("content-security-policy-report-only", &self.content_security_policy_report_only),
            ("cross-origin-embedder-policy", &self.embedder_policy),
            ("cross-origin-opener-policy", &self.opener_policy),
            ("cross-origin-resource-policy", &self.resource_policy),
            ("reporting-endpoints", &self.reporting_endpoints),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.as_deref().map(|value| (name, value)))
    }
}
