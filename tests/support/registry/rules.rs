//! How the registry behaves: as the protocol has it, unless told otherwise.

/// What a registry wants of people, and what goes wrong. Counts are used up one by one.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Who may come.
    pub guard: Guard,
    /// Tags that are there do not move, as ECR has it.
    pub immutable_tags: bool,
    /// A mount is answered with an upload session, as if the blob were not there.
    pub never_mounts: bool,
    /// Locations are paths alone.
    pub relative_locations: bool,
    /// Uploads go on at this address.
    pub uploads_at: Option<String>,
    /// Blobs are fetched from another address, which must not be told who asks.
    pub redirects_blobs: bool,
    /// Only the first piece of an upload is kept, as ECR does.
    pub keeps_first_piece_only: bool,
    /// So many tags stand on a page.
    pub page: Option<usize>,
    /// The connection breaks after so many bytes of an upload's body, once for each entry.
    pub cut_uploads: Vec<u64>,
    /// The connection breaks after half a blob, so many times.
    pub cut_downloads: usize,
    /// Nothing is answered to so many uploads, and their bytes are not read.
    pub hang_uploads: usize,
    /// So many requests are answered with 429, and these seconds to wait.
    pub busy: (usize, u64),
    /// So many requests are answered with 503.
    pub failing: usize,
    /// Blobs are said to have another digest than they have.
    pub lies_about_blobs: bool,
    /// Manifests are said to have another digest than they have.
    pub lies_about_manifests: bool,
    /// No answer names a digest, as with old registries.
    pub names_no_digests: bool,
    /// Manifests are taken and not kept.
    pub drops_manifests: bool,
    /// So many manifests are kept, and the answer is 503 all the same.
    pub loses_answers: usize,
    /// There is no registry at all.
    pub website: Option<Website>,
    /// Whatever password came is repeated in messages.
    pub repeats_secrets: bool,
}

/// What answers in place of a registry.
#[derive(Clone, Copy, Debug)]
pub enum Website {
    /// Everything is a page.
    Page,
    /// Everything is taken, and answered with this status and no body.
    Nods(u16),
    /// Everything is sent to a page to log in at.
    Login,
}

/// Who may come to a registry.
#[derive(Clone, Debug, Default)]
pub enum Guard {
    /// Everybody.
    #[default]
    Open,
    /// Who has this user and one of these passwords.
    Basic(String, Vec<String>),
    /// Who has a token, which this user gets for this password. A token is good for so many requests.
    Bearer(String, String, usize),
    /// Nobody, however well known.
    Nobody,
}
