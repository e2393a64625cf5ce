//! Grants that need no issuer: what each is called, and the license that it makes.

use super::current;
use super::license::{BuiltinGrant, Format, License, LicenseId, Meter, Term};
use super::name::{Name, Set, sha256};
use super::time::{Moment, NEVER};

/// How long the trial lasts.
const TRIAL_MS: u64 = 60 * 24 * 3_600_000;

impl BuiltinGrant {
    /// Every grant there is.
    pub const ALL: [BuiltinGrant; 5] = [
        BuiltinGrant::SplunkFree,
        BuiltinGrant::SplunkForwarder,
        BuiltinGrant::SplunkTrial,
        BuiltinGrant::ElasticBasic,
        BuiltinGrant::ElasticTrial,
    ];

    /// The grant's name, as API and CLI write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            BuiltinGrant::SplunkFree => "splunk_free",
            BuiltinGrant::SplunkForwarder => "splunk_forwarder",
            BuiltinGrant::SplunkTrial => "splunk_trial",
            BuiltinGrant::ElasticBasic => "elastic_basic",
            BuiltinGrant::ElasticTrial => "elastic_trial",
        }
    }

    /// The grant's id: a license's id, made from its name.
    #[must_use]
    pub fn id(self) -> LicenseId {
        sha256(&[b"quartermaster builtin grant ", self.stack().as_bytes()])
    }

    /// The stack that it adds to, or a word for one that adds to none.
    pub(super) const fn stack(self) -> &'static str {
        match self {
            BuiltinGrant::SplunkFree => "free",
            BuiltinGrant::SplunkForwarder => "forwarder",
            BuiltinGrant::SplunkTrial => "download-trial",
            BuiltinGrant::ElasticBasic => "elastic-basic",
            BuiltinGrant::ElasticTrial => "elastic-trial",
        }
    }

    /// The grant as a license, made now.
    #[must_use]
    pub fn license(self, now: Moment) -> License {
        const SEARCH: [&str; 7] =
            ["FwdData", "RcvData", "LocalSearch", "DistSearch", "RcvSearch", "SplunkWeb", "DeployClient"];
        const TRIAL: [&str; 6] =
            ["Auth", "ScheduledSearch", "Alerting", "DeployServer", "SigningProcessor", "SyslogOutputProcessor"];
        let (group, label, quota_bytes, max_violations, features) = match self {
            BuiltinGrant::SplunkFree => ("Free", "Splunk Free", 500 << 20, 3, SEARCH.to_vec()),
            BuiltinGrant::SplunkForwarder => {
                ("Forwarder", "Splunk Forwarder", 1 << 20, 5, vec!["Auth", "FwdData", "RcvData", "DeployClient"])
            }
            BuiltinGrant::SplunkTrial => {
                ("Trial", "Splunk Enterprise Download Trial", 500 << 20, 5, [SEARCH.as_slice(), &TRIAL].concat())
            }
            BuiltinGrant::ElasticBasic | BuiltinGrant::ElasticTrial => return current::unmetered(self, now),
        };
        let meter = Meter {
            group: group.into(),
            stack: self.stack().into(),
            quota_bytes,
            max_violations,
            window_days: 30,
            features: features.into_iter().map(Name::from).collect(),
            sourcetypes: Set::new(),
        };
        License {
            id: self.id(),
            format: Format::Builtin,
            key: None,
            text: "".into(),
            label: label.into(),
            owner: "".into(),
            kind: self.stack().into(),
            issue: "".into(),
            created: now,
            starts: now,
            expires: if self == BuiltinGrant::SplunkTrial { now.plus_ms(TRIAL_MS) } else { NEVER },
            terms: vec![Term::Meter(meter)],
            installed: now,
            expired: false,
        }
    }
}
