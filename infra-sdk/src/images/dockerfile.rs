//! Building an image from a Dockerfile with whichever container engine is there, into a layout folder like any other image.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::Image;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::file::failed;
use crate::id;
use crate::images::archive;
use crate::images::built::BuiltImage;
use crate::images::engine::{Command, Engine};
use crate::images::layout::Layout;
use crate::images::oci::Platform;
use crate::names::ImageName;
use crate::process::Cmd;

/// What an image is made of by a Dockerfile.
#[derive(Clone, Debug)]
pub struct DockerfileSpec {
    /// The name it will have in registries.
    pub name: ImageName,
    /// The Dockerfile.
    pub dockerfile: PathBuf,
    /// The folder it is built in.
    pub context: PathBuf,
    /// The machines it is built for; none means this one.
    pub platforms: Vec<Platform>,
    /// Notes in the image, such as its version.
    pub labels: BTreeMap<String, String>,
}

impl DockerfileSpec {
    /// What `[image.NAME]` says, for a repo whose root is `repo`; `None` for an image made from files.
    ///
    /// # Errors
    /// `Invalid` for a platform that is not written like `linux/arm64`.
    pub fn of_config(name: ImageName, image: &Image, repo: &Path) -> Result<Option<Self>> {
        let Some(dockerfile) = &image.dockerfile else { return Ok(None) };
        Ok(Some(DockerfileSpec {
            name,
            dockerfile: repo.join(dockerfile),
            context: image.context.as_ref().map_or_else(|| repo.to_owned(), |context| repo.join(context)),
            platforms: image.platforms.iter().map(|platform| platform.parse()).collect::<Result<_>>()?,
            labels: BTreeMap::new(),
        }))
    }
}

/// How an image will be built from a Dockerfile; nothing was built yet.
#[derive(Clone, Debug, Serialize)]
pub struct DockerfilePlan {
    /// The image's name.
    pub name: ImageName,
    /// The Dockerfile.
    pub dockerfile: PathBuf,
    /// The program that builds.
    pub engine: Engine,
    #[serde(skip)]
    spec: DockerfileSpec,
    /// For Docker: whether its builder can write what it built into a file itself.
    #[serde(skip)]
    exports: bool,
}

impl fmt::Display for DockerfilePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "image {} from {} by {}", self.name, self.dockerfile.display(), self.engine)?;
        let platforms: Vec<String> = self.spec.platforms.iter().map(ToString::to_string).collect();
        if platforms.is_empty() { Ok(()) } else { write!(f, " for {}", platforms.join(", ")) }
    }
}

/// Finds the engine and checks that there is something to build.
///
/// ```no_run
/// # async fn example() -> infra_sdk::Result<()> {
/// use std::collections::BTreeMap;
/// use infra_sdk::{Cmd, Env, images::{DockerfileSpec, plan_dockerfile}};
/// let spec = DockerfileSpec {
///     name: "shop-api/app".parse()?,
///     dockerfile: "Dockerfile".into(),
///     context: ".".into(),
///     platforms: vec!["linux/amd64".parse()?],
///     labels: BTreeMap::new(),
/// };
/// let plan = plan_dockerfile(&spec, &Env::of_process()?, &|program| Cmd::new(program)).await?;
/// println!("{plan}");
/// let image = plan.apply("target/images/app".as_ref(), &|program| Cmd::new(program)).await?;
/// println!("{}", image.digest());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `NotFound` when Dockerfile or folder are not there; `Unavailable` without an engine; `Invalid` for several platforms
/// with a Docker that builds for one only.
pub async fn plan_dockerfile(
    spec: &DockerfileSpec,
    env: &Env,
    command: Command<'_>,
) -> Result<DockerfilePlan> {
    if !spec.dockerfile.is_file() {
        return Err(Error::not_found(format!("the Dockerfile of image {} is not there", spec.name))
            .with("path", spec.dockerfile.display())
            .hint("correct `dockerfile` of the image in infra.toml, relative to the repo"));
    }
    if !spec.context.is_dir() {
        return Err(Error::not_found(format!(
            "the folder that image {} is built in is not there",
            spec.name
        ))
        .with("path", spec.context.display())
        .hint("correct `context` of the image in infra.toml, relative to the repo"));
    }
    let engine = Engine::find(env, command).await?;
    let exports = engine == Engine::Docker && exports(command).await;
    if engine == Engine::Docker && !exports && spec.platforms.len() > 1 {
        return Err(Error::invalid("this docker builds for one platform at a time")
            .with("image", &spec.name)
            .hint("make a builder for several with `docker buildx create --use`")
            .hint("or install podman or buildah"));
    }
    let (name, dockerfile) = (spec.name.clone(), spec.dockerfile.clone());
    Ok(DockerfilePlan { name, dockerfile, engine, spec: spec.clone(), exports })
}

/// Whether Docker's builder runs apart from the daemon: the one inside it writes no OCI archives.
async fn exports(command: Command<'_>) -> bool {
    let asked = command("docker").quiet().args(["buildx", "inspect"]).output().await;
    asked.is_ok_and(|answer| {
        let driver = answer.stdout.lines().find_map(|line| line.strip_prefix("Driver:"));
        answer.success() && driver.is_some_and(|driver| driver.trim() != "docker")
    })
}

impl DockerfilePlan {
    /// Builds, and puts the image as a layout into the folder `out`; one that stands there is replaced when the new one is
    /// whole. Times in the image are those of 1970, as far as the engine can do that.
    ///
    /// # Errors
    /// `Failed` with what the engine said last; `Invalid` when it gave something that is no image; `Denied` or `Io`.
    pub async fn apply(&self, out: &Path, command: Command<'_>) -> Result<BuiltImage> {
        let fresh = out.with_extension(format!("new-{}", id::short()?));
        let built = self.build(&fresh, command).await.and_then(|()| {
            // Read before it takes its place: what is damaged does not.
            BuiltImage::open(self.name.clone(), Layout::at(&fresh))?;
            replace(&fresh, out)
        });
        if let Err(error) = built {
            // What failed is the news, not what it left.
            let _ = fs::remove_dir_all(&fresh);
            return Err(error);
        }
        BuiltImage::open(self.name.clone(), Layout::at(out))
    }

    async fn build(&self, fresh: &Path, command: Command<'_>) -> Result<()> {
        fs::create_dir_all(fresh).map_err(|error| failed("make a folder to build in", fresh, error))?;
        match self.engine {
            Engine::Docker => self.docker(fresh, command).await,
            Engine::Podman | Engine::Buildah => self.oci(fresh, command).await,
        }
    }

    /// `docker buildx build` into an archive, or `docker build` and `docker save`, which is the same since version 25.
    async fn docker(&self, fresh: &Path, command: Command<'_>) -> Result<()> {
        let archive = fresh.with_extension("tar");
        let written = self.docker_archive(fresh, &archive, command).await;
        let unpacked = match written {
            Ok(()) => archive::unpack(&archive, fresh).await,
            Err(error) => Err(error),
        };
        let _ = fs::remove_file(&archive);
        unpacked
    }

    async fn docker_archive(&self, fresh: &Path, archive: &Path, command: Command<'_>) -> Result<()> {
        // An attestation would make an index of an image for one platform.
        let settings = [("SOURCE_DATE_EPOCH", "0"), ("BUILDX_NO_DEFAULT_ATTESTATIONS", "1")];
        let docker =
            || settings.iter().fold(command("docker"), |docker, (name, value)| docker.env(name, value));
        if self.exports {
            let into = format!("type=oci,rewrite-timestamp=true,dest={}", archive.display());
            let build = docker().args(["buildx", "build", "--output", &into]);
            return self.described(build, &self.platforms()).run().await;
        }
        let id = fresh.join("id");
        let build = docker().args(["build", "--iidfile"]).arg(&id);
        self.described(build, &self.platforms()).run().await?;
        let image = fs::read_to_string(&id).map_err(|error| failed("read what was built", &id, error))?;
        fs::remove_file(&id).map_err(|error| failed("remove a file", &id, error))?;
        docker().args(["save", "--output"]).arg(archive).arg(image.trim()).run().await
    }

    /// Podman and Buildah take the same words. A list is made anew each time: they would add to one that is there.
    async fn oci(&self, fresh: &Path, command: Command<'_>) -> Result<()> {
        let program = self.engine.program();
        let into = format!("oci:{}", fresh.display());
        let build = || command(program).args(["build", "--format", "oci", "--timestamp", "0"]);
        if self.spec.platforms.len() > 1 {
            let list = format!("localhost/infra-sdk-{}", id::short()?);
            let built = async {
                self.described(build().args(["--manifest", &list]), &self.platforms()).run().await?;
                command(program).args(["manifest", "push", "--all", &list, &into]).run().await
            };
            let built = built.await;
            // The images stay as the engine's cache; a list that was not made cannot be removed.
            let _ = command(program).quiet().args(["manifest", "rm", &list]).output().await;
            return built;
        }
        let id = fresh.with_extension("id");
        let built = async {
            self.described(build().arg("--iidfile").arg(&id), &self.platforms()).run().await?;
            let image = fs::read_to_string(&id).map_err(|error| failed("read what was built", &id, error))?;
            command(program).args(["push", image.trim(), &into]).run().await
        };
        let built = built.await;
        let _ = fs::remove_file(&id);
        built
    }

    fn platforms(&self) -> Vec<String> {
        let platforms: Vec<String> = self.spec.platforms.iter().map(ToString::to_string).collect();
        if platforms.is_empty() { Vec::new() } else { vec!["--platform".into(), platforms.join(",")] }
    }

    fn described(&self, build: Cmd, platforms: &[String]) -> Cmd {
        let labels =
            self.spec.labels.iter().flat_map(|(key, value)| ["--label".into(), format!("{key}={value}")]);
        build
            .args(platforms)
            .args(labels)
            .arg("--file")
            .arg(&self.spec.dockerfile)
            .arg(&self.spec.context)
            .dir(&self.spec.context)
    }
}

/// Puts the folder `fresh` where `out` is.
fn replace(fresh: &Path, out: &Path) -> Result<()> {
    let old = fresh.with_extension("old");
    match fs::rename(out, &old) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("put an image in its place", out, error)),
    }
    fs::rename(fresh, out).map_err(|error| failed("put an image in its place", out, error))?;
    let _ = fs::remove_dir_all(&old);
    Ok(())
}
