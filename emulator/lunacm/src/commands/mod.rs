//! What the commands do, one file an object, the larger ones split by theme.

pub(crate) mod appid;
pub(crate) mod clientconfig;
pub(crate) mod clone;
pub(crate) mod hagroup;
pub(crate) mod hsm;
pub(crate) mod mechanism;
pub(crate) mod partition;
pub(crate) mod policy;
pub(crate) mod role;
pub(crate) mod slot;
pub(crate) mod template;
