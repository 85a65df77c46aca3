//! Images and registries for tests of registries.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use infra_sdk::BuiltImage;
use infra_sdk::images::{self, ImageSpec, Platform};
use infra_sdk::registry::{Anonymous, OciRegistry};
use infra_sdk::retry::Retry;
use support::Scratch;

/// A registry at `place`, asked by nobody in particular, that does not wait long before it asks again.
pub(crate) fn open(place: &str) -> OciRegistry {
    OciRegistry::new(place, Arc::new(Anonymous)).unwrap().retry(quick())
}

/// As often as at first, and sooner.
pub(crate) fn quick() -> Retry {
    Retry { first: Duration::from_millis(5), ..Retry::default() }
}

/// A folder with a program and `bytes` bytes that do not compress.
pub(crate) fn files(scratch: &Scratch, name: &str, bytes: usize) -> PathBuf {
    let program = scratch.write(&format!("{name}/server"), format!("#!/bin/sh\necho {name}\n"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut state = 1_u64;
    let noise = (0..bytes).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    scratch.write(&format!("{name}/data"), noise.collect::<Vec<u8>>());
    scratch.join(name)
}

/// An image with a layer of a little more than `bytes` bytes.
pub(crate) async fn image(scratch: &Scratch, bytes: usize) -> BuiltImage {
    let spec = ImageSpec::new("shop-api/app".parse().unwrap(), files(scratch, "dist", bytes), ["server"]);
    images::build(&spec, &scratch.join("built")).await.unwrap()
}

/// An image for two platforms.
pub(crate) async fn index(scratch: &Scratch) -> BuiltImage {
    let specs = ["arm64", "amd64"].map(|machine| {
        ImageSpec::new("shop-api/app".parse().unwrap(), files(scratch, machine, 1000), ["server"])
            .platform(Platform::linux(machine))
    });
    images::build_all(&specs, &scratch.join("index")).await.unwrap()
}
