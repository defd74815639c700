//! The rules in force: Landlock (landlock(7)), as much of it as the kernel has.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, make_bitflags,
};

use super::rules::{Access, Rules};

/// The newest kernel that these rules were written for.
const KNOWN: ABI = ABI::V9;

/// Whether the kernel enforces the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Enforced {
    /// By a kernel of this ABI: 1 files; 3 truncation; 4 TCP; 6 signals and abstract sockets; 9 Unix sockets.
    Abi(i32),
    /// This kernel enforces nothing; why.
    Missing(&'static str),
}

/// Restricts this thread, and all that it starts: call it while there is but one.
pub(super) fn enforce(rules: &Rules, scoped_sockets: bool) -> Result<Enforced, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        // No port is granted: listening sockets are handed down or open already, and nothing is fetched.
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::Signal)?;
    if scoped_sockets {
        ruleset = ruleset.scope(Scope::AbstractUnixSocket)?;
    }
    // Linux 5.13 to 5.18 cannot allow a rename from one directory to another, which is how a blob gets its name.
    let ruleset = ruleset
        .set_compatibility(CompatLevel::SoftRequirement)
        .handle_access(AccessFs::Refer)?
        .set_compatibility(CompatLevel::BestEffort);
    let mut created = ruleset.create()?;
    for grant in rules.grants() {
        // What is not there need not be opened; what comes later makes other rules.
        if let Ok(opened) = PathFd::new(&grant.path) {
            created = created.add_rule(PathBeneath::new(opened, rights(grant.access)))?;
        }
    }
    let restricted = created.restrict_self()?;
    Ok(match (restricted.ruleset, restricted.landlock) {
        (
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced,
            LandlockStatus::Available { effective_abi, .. },
        ) => Enforced::Abi(effective_abi as i32),
        (_, status) => missing(status),
    })
}

fn missing(status: LandlockStatus) -> Enforced {
    Enforced::Missing(match status {
        LandlockStatus::NotImplemented => "this kernel has no Landlock",
        LandlockStatus::NotEnabled => "Landlock is not enabled in this kernel",
        LandlockStatus::Available { .. } => "the Landlock of this kernel is older than that of Linux 5.19",
    })
}

fn rights(access: Access) -> BitFlags<AccessFs> {
    match access {
        Access::Read => make_bitflags!(AccessFs::{ReadFile | ReadDir}),
        Access::Store => make_bitflags!(AccessFs::{
            ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer
        }),
        Access::Log => make_bitflags!(AccessFs::{
            ReadFile | ReadDir | WriteFile | MakeReg | RemoveFile
        }),
        Access::Connect => AccessFs::ResolveUnix.into(),
        Access::Listen => make_bitflags!(AccessFs::{ResolveUnix | MakeSock}),
        Access::Device => make_bitflags!(AccessFs::{ReadFile | WriteFile}),
    }
}
