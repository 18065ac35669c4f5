//! Files that are kept here: what batches are read from and written to.
//!
//! A file comes and goes piece by piece, and is there when all of it is; one whose upload broke off never was.

use std::sync::Arc;

use bytes::Bytes;
use futures_core::stream::LocalBoxStream;
use futures_util::{StreamExt as _, stream};
use nexus_core::{id::Uuid, principal::Principal, refusal::Refusal};
use nexus_wire::{file::File, listing::written, passed::FormFile, surface::Method};

use super::{
    Owner, Shelf, Thing, elsewhere, expiry_ms, first, gone,
    listing::{self, Wanted},
    nothing_kept, operation,
    port::Pieces,
};
use crate::{
    reply::ReplyBody,
    resource::{ResourceCall, owners::OwnersAway},
    shared::Shared,
    stage::{normalise::Media, parse::Asked},
};

pub(crate) const KIND: &str = "file";

/// Bytes of a piece.
const PIECE: usize = 256 << 10;
/// Pieces that are read at once.
const AT_ONCE: usize = 8;

/// A file as a thing; open: not to be seen yet. The times are when it was made and when it ends, in milliseconds.
pub(crate) fn thing(file: &File, (made_at_ms, expires_at_ms): (i64, i64), is_open: bool) -> Thing {
    let text = file.written().into();
    Thing { kind: KIND, id: file.id.clone(), text, made_at_ms, expires_at_ms, is_open }
}

/// A new file's id.
pub(crate) fn id(uuid: Uuid) -> String {
    format!("file-{}", uuid.simple())
}

/// A file that is all there.
pub(crate) async fn find(shelf: &dyn Shelf, id: &str) -> Result<Option<File>, Refusal> {
    let thing = shelf.find(KIND, id).await?.filter(|thing| !thing.is_open);
    Ok(thing.and_then(|thing| File::read(&thing.text)))
}

/// Takes an upload.
pub(crate) async fn upload(
    asked: &Asked,
    caller: &Principal,
    shared: &Shared,
    uuid: Uuid,
) -> Result<Bytes, Refusal> {
    let expires_at_ms = expiry_ms(shared).ok_or_else(nothing_kept)?;
    let carried = asked.carried.as_deref().ok_or_else(no_form)?;
    let form = FormFile::of(&carried.content_type).ok_or_else(no_form)?;
    let (id, made_at_ms) = (id(uuid), shared.clock.unix_ms());
    let times = (made_at_ms, expires_at_ms);
    let mut file = File::new(&id, "", "batch", (made_at_ms.div_euclid(1000), expires_at_ms.div_euclid(1000)));
    let owner = Owner { team: caller.team, key: caller.key };
    shared.shelf.put(owner, thing(&file, times, true)).await?;
    let mut taking = Taking { form, shelf: &*shared.shelf, id: &id, held: Vec::new(), next: 0, bytes: 0 };
    match taking.all(asked).await {
        Ok(()) => {
            (file.filename, file.bytes) = (taking.form.name.take().unwrap_or_default(), taking.bytes);
            shared.shelf.change(thing(&file, times, false)).await?;
            Ok(file.written().into())
        }
        Err(refusal) => {
            // what cannot be taken away now goes when its time is over
            let _gone = shared.shelf.delete(KIND, &id).await;
            Err(refusal)
        }
    }
}

/// An upload under way.
struct Taking<'a> {
    form: FormFile,
    shelf: &'a dyn Shelf,
    id: &'a str,
    /// What of the file is no piece yet.
    held: Vec<u8>,
    next: i64,
    bytes: u64,
}

impl Taking<'_> {
    async fn all(&mut self, asked: &Asked) -> Result<(), Refusal> {
        self.take(&asked.body).await?;
        let rest = asked.carried.as_deref().and_then(|carried| carried.take_rest());
        if let Some(mut rest) = rest {
            while let Some(piece) = rest.pieces.next().await {
                let piece = piece.map_err(|fault| match fault.said {
                    Some(said) => Refusal::BadBody { message: said.message, param: said.param },
                    None => Refusal::BadBody { message: fault.message, param: None },
                })?;
                self.take(&piece).await?;
            }
        }
        if self.form.name.is_none() {
            return Err(bad("file", "the form has no `file`; send one"));
        }
        match self.form.field("purpose") {
            Some("batch") => self.put(0).await,
            Some(purpose) => Err(bad(
                "purpose",
                &format!(
                    "the purpose `{purpose}` needs a provider that keeps files, and the `default_provider` does not; only files of the purpose `batch` are kept by the gateway itself"
                ),
            )),
            None => Err(bad("purpose", "the form has no `purpose`; only `batch` can be kept here")),
        }
    }

    async fn take(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        let bad = |error: nexus_wire::chat::BodyError| Refusal::BadBody {
            message: error.message,
            param: error.param,
        };
        for part in piece.chunks(PIECE) {
            self.form.take(part, &mut self.held).map_err(bad)?;
            self.put(PIECE).await?;
        }
        Ok(())
    }

    /// Puts what is held away, where that is more than so much.
    async fn put(&mut self, least: usize) -> Result<(), Refusal> {
        if self.held.len() <= least {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.held));
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        self.shelf.add(KIND, self.id, vec![(self.next, piece)]).await?;
        self.next += 1;
        Ok(())
    }
}

fn no_form() -> Refusal {
    bad("file", "a file is sent as a form; send `multipart/form-data` with `purpose` and `file`")
}

fn bad(param: &str, message: &str) -> Refusal {
    Refusal::BadBody { message: message.to_owned(), param: Some(param.to_owned()) }
}

/// Answers a call about one.
pub(crate) async fn serve<B>(call: &ResourceCall, shared: &Shared) -> Result<ReplyBody<B>, Refusal> {
    let id = first(call);
    let file = find(&*shared.shelf, id).await?.ok_or_else(|| gone(KIND, id))?;
    let told: Bytes = match operation(call) {
        (Method::Get, "") => Bytes::from(file.written()),
        (Method::Get, "content") => {
            let media = Media {
                content_type: "application/octet-stream".to_owned(),
                disposition: Some("attachment".to_owned()),
            };
            return Ok(ReplyBody::Pieces(media, content(Arc::clone(&shared.shelf), id)));
        }
        (Method::Delete, "") => {
            shared.shelf.delete(KIND, id).await?;
            Bytes::from(format!(r#"{{"id":"{id}","object":"file","deleted":true}}"#))
        }
        _ => return Err(elsewhere("files")),
    };
    Ok(ReplyBody::Whole(told))
}

/// What a file says, piece by piece.
pub(crate) fn content(shelf: Arc<dyn Shelf>, id: &str) -> LocalBoxStream<'static, Result<Bytes, OwnersAway>> {
    let id = id.to_owned();
    let pages = stream::try_unfold(Some(0), move |from: Option<i64>| {
        let (shelf, id) = (Arc::clone(&shelf), id.clone());
        async move {
            let Some(from) = from else { return Ok(None) };
            let pieces: Pieces = shelf.pieces(KIND, &id, from, AT_ONCE).await?;
            let next = pieces.last().map(|(number, _)| number + 1).filter(|_| pieces.len() == AT_ONCE);
            Ok(Some((pieces, next)))
        }
    });
    let pieces = pages.map(|page| match page {
        Ok(pieces) => stream::iter(pieces.into_iter().map(|(_, piece)| Ok(piece)).collect::<Vec<_>>()),
        Err(away) => stream::iter(vec![Err(away)]),
    });
    pieces.flatten().boxed_local()
}

/// The caller's files.
pub(crate) async fn list(call: &ResourceCall, caller: &Principal, shared: &Shared) -> Result<Bytes, Refusal> {
    let wanted = Wanted::of_files(call)?;
    let purpose = call.queried("purpose");
    let is_wanted = |thing: &Thing| {
        !thing.is_open
            && purpose
                .as_ref()
                .is_none_or(|purpose| File::read(&thing.text).is_some_and(|file| file.purpose == *purpose))
    };
    let (files, has_more) = listing::gather(shared, KIND, caller, &wanted, is_wanted).await?;
    let told: Vec<String> = files.iter().map(|file| file.text().to_owned()).collect();
    Ok(written(&told, has_more))
}
