//! Installing a license document, for every language that takes one: read, verified, submitted, counted.

use ::metrics::counter;

use super::Call;
use super::trouble::Trouble;
use crate::domain::intent::Command;
use crate::domain::license::{License, LicenseId};
use crate::domain::name::{Map, Name};
use crate::domain::refusal::Refusal;
use crate::domain::trust::TrustedKey;
use crate::metrics;
use crate::replica::{Answer, Consistency};
use crate::signing::{LicenseProblem, read_license};

impl<E> Call<E> {
    /// Reads and verifies a document under the keys that the cluster trusts; one that was trusted a moment ago on
    /// another node is waited for.
    ///
    /// # Errors
    /// When it is no license, or this node cannot say.
    pub async fn read_license(&self, text: &str) -> Result<License, Trouble> {
        let read = |keys: &Map<Name, TrustedKey>| read_license(text, keys);
        match read(&self.view().state.keys) {
            Err(LicenseProblem::UnknownKey { .. }) => {
                let view = self.cx.replica.view(Consistency::Linearizable, self.head.deadline).await?;
                Ok(read(&view.state.keys)?)
            }
            other => Ok(other?),
        }
    }

    /// Installs a document; `body` is what the caller's idempotency key stands for, `dialect` names the language in
    /// metrics.
    ///
    /// # Errors
    /// When it is no license, a rule says no, or this node cannot.
    pub async fn install_license(
        &mut self,
        dialect: &'static str,
        text: &str,
        body: &[u8],
    ) -> Result<(Answer, LicenseId), Trouble> {
        let result = match self.read_license(text).await {
            Ok(license) => {
                let id = license.id;
                self.submit(Command::InstallLicense(Box::new(license)), body).await.map(|answer| (answer, id))
            }
            Err(trouble) => Err(trouble),
        };
        let outcome = match &result {
            Ok(_) => "installed",
            Err(Trouble::Refused(Refusal::LicenseExists { .. })) => "duplicate",
            Err(Trouble::License(LicenseProblem::BadSignature { .. })) => "bad_signature",
            Err(Trouble::License(_)) => "malformed",
            Err(_) => "refused",
        };
        counter!(metrics::LICENSE_INSTALLS, "dialect" => dialect, "result" => outcome).increment(1);
        result
    }
}
