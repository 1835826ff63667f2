//! The five upgrades that WSO2 wrote a page about: what is upgraded, from what to what.

/// A product, its versions and their kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// The guide.
    pub guide: &'static str,
    /// The product's full name.
    pub product: &'static str,
    /// How nodes, clusters and folders call it.
    pub short: &'static str,
    /// Version and kernel of the old home.
    pub old: (&'static str, &'static str),
    /// Version and kernel of the new home.
    pub new: (&'static str, &'static str),
    /// Whether it has an RSS metadata database beside the one of users and registry.
    pub rss: bool,
    /// Whether the schema of users changes.
    pub migrates: bool,
    /// Whether production is copied before anything is migrated, in the page's own order.
    pub copies_first: bool,
}

impl Hop {
    /// Data Services Server 3.0.1 to 3.2.0.
    pub const DSS: Hop = Hop {
        guide: "dss-3.2.0",
        product: "WSO2 Data Services Server",
        short: "dss",
        old: ("3.0.1", "4.1.0"),
        new: ("3.2.0", "4.2.0"),
        rss: false,
        migrates: true,
        copies_first: false,
    };
    /// Storage Server 1.0.3 to 1.1.0.
    pub const SS: Hop = Hop {
        guide: "ss-1.1.0",
        product: "WSO2 Storage Server",
        short: "ss",
        old: ("1.0.3", "4.1.0"),
        new: ("1.1.0", "4.2.0"),
        rss: true,
        migrates: true,
        copies_first: false,
    };
    /// Application Server 5.1.0 to 5.2.0.
    pub const AS: Hop = Hop {
        guide: "as-5.2.0",
        product: "WSO2 Application Server",
        short: "as",
        old: ("5.1.0", "4.1.0"),
        new: ("5.2.0", "4.2.0"),
        rss: false,
        migrates: true,
        copies_first: true,
    };
    /// Any product on Carbon 4.0.0 to one on 4.2.0.
    pub const CARBON_42: Hop = Hop {
        guide: "carbon-4.2.0",
        product: "WSO2 Carbon",
        short: "carbon",
        old: ("4.0.0", "4.0.0"),
        new: ("4.2.0", "4.2.0"),
        rss: false,
        migrates: true,
        copies_first: false,
    };
    /// Any product on Carbon 4.4.6 to one on 4.4.7.
    pub const CARBON_447: Hop = Hop {
        guide: "carbon-4.4.7",
        product: "WSO2 Carbon",
        short: "carbon",
        old: ("4.4.6", "4.4.6"),
        new: ("4.4.7", "4.4.7"),
        rss: false,
        migrates: false,
        copies_first: true,
    };
    /// All of them.
    pub const ALL: [Hop; 5] = [Hop::DSS, Hop::SS, Hop::AS, Hop::CARBON_42, Hop::CARBON_447];

    /// The hop of a guide.
    #[must_use]
    pub fn of_guide(guide: &str) -> Option<Hop> {
        Hop::ALL.into_iter().find(|hop| hop.guide == guide)
    }

    /// `dss-prod`: the cluster's label, and the upgrade's name.
    #[must_use]
    pub fn cluster(&self) -> String {
        format!("{}-prod", self.short)
    }

    /// `dss-2`.
    #[must_use]
    pub fn node(&self, number: usize) -> String {
        format!("{}-{number}", self.short)
    }

    /// `wso2dss-3.2.0`: the folder of a home.
    #[must_use]
    pub fn folder(&self, version: &str) -> String {
        format!("wso2{}-{version}", self.short)
    }

    /// The distribution of the new version.
    #[must_use]
    pub fn archive(&self, version: &str) -> String {
        format!("{}.zip", self.folder(version))
    }
}
