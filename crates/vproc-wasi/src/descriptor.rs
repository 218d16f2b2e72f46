//! What a guest opens: files and directories of the runtime's, and rendered
//! ones, which cannot be written to.

use crate::Component;
use crate::bindings::exports::wasi::filesystem::types as exported;
use crate::bindings::exports::wasi::io::error::ErrorBorrow;
use crate::bindings::exports::wasi::io::streams as io;
use crate::bindings::wasi::clocks::wall_clock;
use crate::bindings::wasi::filesystem::types as host;
use crate::listing::Listing;
use crate::streams::{InputStream, IoError, OutputStream};
use crate::tree::{Found, is_above_rendered, tree};
use crate::walk::{Directory, HostPlace, Place, Walk};
use exported::{
    Advice, DescriptorBorrow, DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, Filesize,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use std::cell::{Cell, RefCell};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

/// Something that is open.
pub(crate) enum Descriptor {
    /// The runtime's. A directory that has rendered ones below it knows its
    /// path.
    Host { inner: host::Descriptor, above: Option<String> },
    /// A rendered directory, by its path.
    Directory(String),
    /// A rendered file.
    File(File),
}

/// A rendered file. As the kernel does, it is rendered anew when it is read
/// from its start again, and reads that follow go on in the same text.
pub(crate) struct File {
    path: String,
    text: RefCell<Rc<[u8]>>,
    was_read: Cell<bool>,
}

impl File {
    fn open(path: String) -> Result<Self, ErrorCode> {
        let text = RefCell::new(tree()?.text(&path)?);
        Ok(File { path, text, was_read: Cell::new(false) })
    }

    fn text_at(&self, offset: Filesize) -> Result<Rc<[u8]>, ErrorCode> {
        if offset == 0 && self.was_read.replace(true) {
            let text = tree()?.text(&self.path)?;
            self.text.replace(text);
        }
        Ok(Rc::clone(&self.text.borrow()))
    }
}

type Done = Result<(), ErrorCode>;

impl Descriptor {
    pub(crate) fn host(inner: host::Descriptor, above: Option<String>) -> Self {
        Descriptor::Host { inner, above }
    }

    /// The runtime's own. What is rendered cannot be written to.
    fn to_write(&self) -> Result<&host::Descriptor, ErrorCode> {
        match self {
            Descriptor::Host { inner, .. } => Ok(inner),
            Descriptor::Directory(_) | Descriptor::File(_) => Err(ErrorCode::ReadOnly),
        }
    }

    /// Where a path ends that starts here.
    fn at(&self, path: &str, follow: PathFlags) -> Result<Place<'_>, ErrorCode> {
        match self {
            Descriptor::Host { inner, above: Some(origin) } => {
                Walk::new(origin, Some(inner)).to(path, follow)
            }
            // The runtime lets nothing lead out of a directory.
            Descriptor::Host { inner, above: None } => Ok(Place::Host(HostPlace {
                directory: Directory::Given(inner),
                name: path.to_owned(),
                follow,
                path: None,
            })),
            Descriptor::Directory(origin) => Walk::new(origin, None).to(path, follow),
            Descriptor::File(_) => Err(ErrorCode::NotDirectory),
        }
    }

    /// The same for what changes something there.
    fn to_change(&self, path: &str, follow: PathFlags) -> Result<HostPlace<'_>, ErrorCode> {
        match self.at(path, follow)? {
            Place::Host(place) => Ok(place),
            Place::Rendered(_) => Err(ErrorCode::ReadOnly),
        }
    }
}

const NO_FOLLOW: PathFlags = PathFlags::empty();

fn open_rendered(
    path: String,
    open_flags: OpenFlags,
    flags: DescriptorFlags,
) -> Result<Descriptor, ErrorCode> {
    let found = match tree()?.find(&path) {
        Err(ErrorCode::NoEntry) if open_flags.contains(OpenFlags::CREATE) => {
            return Err(ErrorCode::ReadOnly);
        }
        found => found?,
    };
    if open_flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE) {
        return Err(ErrorCode::Exist);
    }
    let writes = open_flags.contains(OpenFlags::TRUNCATE) || flags.contains(DescriptorFlags::WRITE);
    match found {
        Found::Directory if writes => Err(ErrorCode::IsDirectory),
        Found::Directory => Ok(Descriptor::Directory(path)),
        _ if open_flags.contains(OpenFlags::DIRECTORY) => Err(ErrorCode::NotDirectory),
        Found::Link => Err(ErrorCode::Loop),
        Found::File if writes => Err(ErrorCode::ReadOnly),
        Found::File => Ok(Descriptor::File(File::open(path)?)),
    }
}

/// What is said of something rendered: of the moment, as the kernel says it.
fn stat(kind: DescriptorType, size: usize) -> DescriptorStat {
    let now = Some(wall_clock::now());
    DescriptorStat {
        type_: kind,
        link_count: 1,
        size: size.try_into().unwrap_or(Filesize::MAX),
        data_access_timestamp: now,
        data_modification_timestamp: now,
        status_change_timestamp: now,
    }
}

/// The size of what cannot be read is 0, as of all files of the kernel's.
fn stat_rendered(path: &str) -> Result<DescriptorStat, ErrorCode> {
    let tree = tree()?;
    let found = tree.find(path)?;
    let size = match found {
        Found::Directory => 0,
        Found::File | Found::Link => tree.text(path).map_or(0, |text| text.len()),
    };
    Ok(stat(found.kind(), size))
}

fn hash(path: &str) -> MetadataHashValue {
    let half = |part: u8| {
        let mut hasher = DefaultHasher::new();
        (part, path).hash(&mut hasher);
        hasher.finish()
    };
    MetadataHashValue { lower: half(0), upper: half(1) }
}

impl exported::GuestDescriptor for Descriptor {
    fn read_via_stream(&self, offset: Filesize) -> Result<io::InputStream, ErrorCode> {
        match self {
            Descriptor::Host { inner, .. } => inner.read_via_stream(offset).map(InputStream::host),
            Descriptor::Directory(_) => Err(ErrorCode::IsDirectory),
            Descriptor::File(file) => Ok(InputStream::text(file.text_at(offset)?, offset)),
        }
    }

    fn write_via_stream(&self, offset: Filesize) -> Result<io::OutputStream, ErrorCode> {
        self.to_write()?.write_via_stream(offset).map(OutputStream::host)
    }

    fn append_via_stream(&self) -> Result<io::OutputStream, ErrorCode> {
        self.to_write()?.append_via_stream().map(OutputStream::host)
    }

    fn advise(&self, offset: Filesize, length: Filesize, advice: Advice) -> Done {
        match self {
            Descriptor::Host { inner, .. } => inner.advise(offset, length, advice),
            _ => Ok(()),
        }
    }

    fn sync_data(&self) -> Done {
        match self {
            Descriptor::Host { inner, .. } => inner.sync_data(),
            _ => Ok(()),
        }
    }

    fn get_flags(&self) -> Result<DescriptorFlags, ErrorCode> {
        match self {
            Descriptor::Host { inner, .. } => inner.get_flags(),
            _ => Ok(DescriptorFlags::READ),
        }
    }

    fn get_type(&self) -> Result<DescriptorType, ErrorCode> {
        match self {
            Descriptor::Host { inner, .. } => inner.get_type(),
            Descriptor::Directory(_) => Ok(DescriptorType::Directory),
            Descriptor::File(_) => Ok(DescriptorType::RegularFile),
        }
    }

    fn set_size(&self, size: Filesize) -> Done {
        self.to_write()?.set_size(size)
    }

    fn set_times(&self, accessed: NewTimestamp, modified: NewTimestamp) -> Done {
        self.to_write()?.set_times(accessed, modified)
    }

    fn read(&self, length: Filesize, offset: Filesize) -> Result<(Vec<u8>, bool), ErrorCode> {
        match self {
            Descriptor::Host { inner, .. } => inner.read(length, offset),
            Descriptor::Directory(_) => Err(ErrorCode::IsDirectory),
            Descriptor::File(file) => {
                let text = file.text_at(offset)?;
                let offset = usize::try_from(offset).unwrap_or(usize::MAX);
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                let rest = text.get(offset..).unwrap_or_default();
                let part = rest.get(..length).unwrap_or(rest);
                Ok((part.to_vec(), part.len() == rest.len()))
            }
        }
    }

    fn write(&self, buffer: Vec<u8>, offset: Filesize) -> Result<Filesize, ErrorCode> {
        self.to_write()?.write(&buffer, offset)
    }

    fn read_directory(&self) -> Result<exported::DirectoryEntryStream, ErrorCode> {
        let listing = match self {
            Descriptor::Host { inner, above } => {
                Listing::host(inner.read_directory()?, above.as_deref())
            }
            Descriptor::Directory(path) => Listing::rendered(tree()?.names(path)?),
            Descriptor::File(_) => return Err(ErrorCode::NotDirectory),
        };
        Ok(exported::DirectoryEntryStream::new(listing))
    }

    fn sync(&self) -> Done {
        match self {
            Descriptor::Host { inner, .. } => inner.sync(),
            _ => Ok(()),
        }
    }

    fn create_directory_at(&self, path: String) -> Done {
        let place = self.to_change(&path, NO_FOLLOW)?;
        place.directory.create_directory_at(&place.name)
    }

    fn stat(&self) -> Result<DescriptorStat, ErrorCode> {
        match self {
            Descriptor::Host { inner, .. } => inner.stat(),
            Descriptor::Directory(_) => Ok(stat(DescriptorType::Directory, 0)),
            Descriptor::File(file) => {
                Ok(stat(DescriptorType::RegularFile, file.text.borrow().len()))
            }
        }
    }

    fn stat_at(&self, follow: PathFlags, path: String) -> Result<DescriptorStat, ErrorCode> {
        match self.at(&path, follow)? {
            Place::Host(place) => place.directory.stat_at(place.follow, &place.name),
            Place::Rendered(path) => stat_rendered(&path),
        }
    }

    fn set_times_at(
        &self,
        follow: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> Done {
        let place = self.to_change(&path, follow)?;
        place.directory.set_times_at(place.follow, &place.name, accessed, modified)
    }

    fn link_at(
        &self,
        old_follow: PathFlags,
        old_path: String,
        new_descriptor: DescriptorBorrow<'_>,
        new_path: String,
    ) -> Done {
        let old = self.to_change(&old_path, old_follow)?;
        let new = new_descriptor.get::<Descriptor>().to_change(&new_path, NO_FOLLOW)?;
        old.directory.link_at(old.follow, &old.name, &new.directory, &new.name)
    }

    fn open_at(
        &self,
        follow: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> Result<exported::Descriptor, ErrorCode> {
        let opened = match self.at(&path, follow)? {
            Place::Host(HostPlace { directory, name, follow, path }) => {
                let inner = directory.open_at(follow, &name, open_flags, flags)?;
                Descriptor::host(inner, path.filter(|path| is_above_rendered(path)))
            }
            Place::Rendered(path) => open_rendered(path, open_flags, flags)?,
        };
        Ok(exported::Descriptor::new(opened))
    }

    fn readlink_at(&self, path: String) -> Result<String, ErrorCode> {
        match self.at(&path, NO_FOLLOW)? {
            Place::Host(place) => place.directory.readlink_at(&place.name),
            Place::Rendered(path) => {
                let tree = tree()?;
                match tree.find(&path)? {
                    Found::Link => String::from_utf8(tree.text(&path)?.to_vec())
                        .map_err(|_| ErrorCode::IllegalByteSequence),
                    Found::Directory | Found::File => Err(ErrorCode::Invalid),
                }
            }
        }
    }

    fn remove_directory_at(&self, path: String) -> Done {
        let place = self.to_change(&path, NO_FOLLOW)?;
        place.directory.remove_directory_at(&place.name)
    }

    fn rename_at(
        &self,
        old_path: String,
        new_descriptor: DescriptorBorrow<'_>,
        new_path: String,
    ) -> Done {
        let old = self.to_change(&old_path, NO_FOLLOW)?;
        let new = new_descriptor.get::<Descriptor>().to_change(&new_path, NO_FOLLOW)?;
        old.directory.rename_at(&old.name, &new.directory, &new.name)
    }

    fn symlink_at(&self, old_path: String, new_path: String) -> Done {
        let place = self.to_change(&new_path, NO_FOLLOW)?;
        place.directory.symlink_at(&old_path, &place.name)
    }

    fn unlink_file_at(&self, path: String) -> Done {
        let place = self.to_change(&path, NO_FOLLOW)?;
        place.directory.unlink_file_at(&place.name)
    }

    fn is_same_object(&self, other: DescriptorBorrow<'_>) -> bool {
        match (self, other.get::<Descriptor>()) {
            (Descriptor::Host { inner, .. }, Descriptor::Host { inner: other, .. }) => {
                inner.is_same_object(other)
            }
            (Descriptor::Directory(path), Descriptor::Directory(other)) => path == other,
            (Descriptor::File(file), Descriptor::File(other)) => file.path == other.path,
            _ => false,
        }
    }

    fn metadata_hash(&self) -> Result<MetadataHashValue, ErrorCode> {
        match self {
            Descriptor::Host { inner, .. } => inner.metadata_hash(),
            Descriptor::Directory(path) => Ok(hash(path)),
            Descriptor::File(file) => Ok(hash(&file.path)),
        }
    }

    fn metadata_hash_at(
        &self,
        follow: PathFlags,
        path: String,
    ) -> Result<MetadataHashValue, ErrorCode> {
        match self.at(&path, follow)? {
            Place::Host(place) => place.directory.metadata_hash_at(place.follow, &place.name),
            Place::Rendered(path) => tree()?.find(&path).map(|_| hash(&path)),
        }
    }
}

impl exported::Guest for Component {
    type Descriptor = Descriptor;
    type DirectoryEntryStream = Listing;

    fn filesystem_error_code(error: ErrorBorrow<'_>) -> Option<ErrorCode> {
        host::filesystem_error_code(&error.get::<IoError>().0)
    }
}
