//! Who may use a pipe, a directory or a file.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::path::Path;
use std::ptr::null_mut;
use std::sync::OnceLock;

use windows_sys::Win32::Foundation::{ERROR_SUCCESS, GENERIC_WRITE, HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo,
    SDDL_REVISION_1, SE_FILE_OBJECT, SE_KERNEL_OBJECT, SE_OBJECT_TYPE,
};
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACE_HEADER, ACL, DACL_SECURITY_INFORMATION, EqualSid, GetAce, GetTokenInformation,
    INHERIT_ONLY_ACE, IsWellKnownSid, OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID,
    SECURITY_ATTRIBUTES, TOKEN_QUERY, TOKEN_USER, TokenUser, WinBuiltinAdministratorsSid, WinLocalSystemSid,
};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, CreateDirectoryW, CreateFileW, FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::handle::{checked, owned, wide, wide_path};

/// The kinds of entries that allow something, and of those that forbid it, as their headers have them; the second of each on
/// conditions, which are taken for met.
const ALLOWING: [u8; 2] = [0, 9];
const FORBIDDING: [u8; 2] = [1, 10];

/// Memory that the system has allocated.
struct Local(*mut core::ffi::c_void);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: the system has given this memory to be freed in this way, and nothing refers to it any more.
        unsafe { LocalFree(self.0) };
    }
}

// SAFETY: the memory belongs to nobody else, and nothing writes to it.
unsafe impl Send for Local {}
// SAFETY: as above.
unsafe impl Sync for Local {}

/// What is for this user and the system alone, whatever stands above it.
pub struct OwnerOnly(Local);

impl OwnerOnly {
    /// For pipes and files.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new() -> io::Result<Self> {
        Self::with_flags("")
    }

    /// For directories and all that is made in them.
    ///
    /// # Errors
    /// Those of the system.
    pub fn for_directory() -> io::Result<Self> {
        Self::with_flags("OICI")
    }

    fn with_flags(flags: &str) -> io::Result<Self> {
        let user = own_name()?;
        // The owner is named as well: for an administrator it would be all administrators.
        let text = format!("O:{user}D:P(A;{flags};FA;;;{user})(A;{flags};FA;;;SY)");
        let mut descriptor: PSECURITY_DESCRIPTOR = null_mut();
        // SAFETY: the text ends with a zero, and the descriptor is for this function to be freed with `LocalFree`.
        checked(unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                wide(&text)?.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                null_mut(),
            )
        })?;
        Ok(Self(Local(descriptor)))
    }

    /// What functions of the system take that make something, and a pointer to this within.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'_> {
        let inner = SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: self.0.0,
            bInheritHandle: 0,
        };
        Attributes { inner, descriptor: PhantomData }
    }
}

/// Attributes whose descriptor is there for as long.
pub struct Attributes<'a> {
    inner: SECURITY_ATTRIBUTES,
    descriptor: PhantomData<&'a OwnerOnly>,
}

impl Attributes<'_> {
    /// For a function of the system. What it makes is not inherited by other processes.
    #[must_use]
    pub fn as_ptr(&self) -> *const SECURITY_ATTRIBUTES {
        &raw const self.inner
    }
}

/// The user of this process.
struct User {
    /// A `TOKEN_USER` and what it points to, aligned for it.
    information: Vec<u64>,
}

impl User {
    fn current() -> io::Result<Self> {
        let mut token: HANDLE = null_mut();
        // SAFETY: the handle of this process is always there, and that of the token is for this function.
        checked(unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) })?;
        let token = owned(token)?;
        let mut len = 0;
        // SAFETY: no room is given, so nothing but the length is written. It fails for that.
        unsafe { GetTokenInformation(token.as_raw_handle(), TokenUser, null_mut(), 0, &raw mut len) };
        let mut information = vec![0_u64; (len as usize).max(size_of::<TOKEN_USER>()).div_ceil(8)];
        let room = (information.len() * 8) as u32;
        // SAFETY: there is as much room as is said.
        checked(unsafe {
            let room_at = information.as_mut_ptr().cast();
            GetTokenInformation(token.as_raw_handle(), TokenUser, room_at, room, &raw mut len)
        })?;
        Ok(Self { information })
    }

    fn sid(&self) -> PSID {
        // SAFETY: the system has written a `TOKEN_USER` there, and the memory is aligned for it.
        unsafe { (*self.information.as_ptr().cast::<TOKEN_USER>()).User.Sid }
    }

    /// As it stands in descriptors that are text.
    fn text(&self) -> io::Result<String> {
        let mut text = null_mut();
        // SAFETY: the SID is valid while this is there, and the text is for this function to be freed with `LocalFree`.
        checked(unsafe { ConvertSidToStringSidW(self.sid(), &raw mut text) })?;
        let text = Local(text.cast());
        let mut plain = String::new();
        let mut at: *const u16 = text.0.cast();
        loop {
            // SAFETY: the text ends with a zero, behind which this does not go.
            let unit = unsafe { *at };
            let Some(letter) = char::from_u32(u32::from(unit)).filter(|letter| *letter != '\0') else {
                break;
            };
            let _ = plain.write_char(letter);
            // SAFETY: as above.
            at = unsafe { at.add(1) };
        }
        Ok(plain)
    }
}

/// The user of this process, as it stands in descriptors that are text. Asked for once, since a process keeps its user, and a
/// connection should not take five calls of the system for that.
fn own_name() -> io::Result<&'static str> {
    static NAME: OnceLock<String> = OnceLock::new();
    if let Some(name) = NAME.get() {
        return Ok(name);
    }
    let name = User::current()?.text()?;
    Ok(NAME.get_or_init(|| name))
}

/// The owner of something and who may use it.
pub struct Access {
    owner: PSID,
    list: *const ACL,
    /// What both point into.
    _descriptor: Local,
}

/// One entry: somebody, and what he may do or may not.
pub struct Entry {
    /// Whether it allows; otherwise it forbids.
    pub allows: bool,
    /// What, as the system has it.
    pub mask: u32,
    /// Whether it is for what is made in a directory alone, and not for that itself.
    pub is_for_others: bool,
    /// Who. It is there as long as the [`Access`].
    pub sid: PSID,
}

impl Access {
    /// Of a file or directory.
    ///
    /// # Errors
    /// Those of the system.
    pub fn of_file(file: BorrowedHandle<'_>) -> io::Result<Self> {
        Self::of(file, SE_FILE_OBJECT)
    }

    fn of(object: BorrowedHandle<'_>, kind: SE_OBJECT_TYPE) -> io::Result<Self> {
        let (mut owner, mut list, mut descriptor) = (null_mut(), null_mut(), null_mut());
        // SAFETY: the object is open, and the descriptor is for this function to be freed with `LocalFree`; both others point
        // into it.
        let error = unsafe {
            GetSecurityInfo(
                object.as_raw_handle(),
                kind,
                OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                &raw mut owner,
                null_mut(),
                &raw mut list,
                null_mut(),
                &raw mut descriptor,
            )
        };
        if error != ERROR_SUCCESS {
            return Err(io::Error::from_raw_os_error(error.cast_signed()));
        }
        Ok(Self { owner, list, _descriptor: Local(descriptor) })
    }

    /// Whether it belongs to the user of this process.
    ///
    /// # Errors
    /// Those of the system.
    pub fn is_ours(&self) -> io::Result<bool> {
        let user = User::current()?;
        // SAFETY: both are valid, by the system; a missing owner is null, and is not looked at.
        Ok(!self.owner.is_null() && unsafe { EqualSid(self.owner, user.sid()) } != 0)
    }

    /// Whether it belongs to the system or its administrators.
    #[must_use]
    pub fn is_the_systems(&self) -> bool {
        !self.owner.is_null() && is_system(self.owner)
    }

    /// The entries; `None` where there is no list, so that all may do everything.
    #[must_use]
    pub fn entries(&self) -> Option<Vec<Entry>> {
        if self.list.is_null() {
            return None;
        }
        // SAFETY: the list is valid while this is there.
        let count = unsafe { (*self.list).AceCount };
        let entries = (0..u32::from(count)).filter_map(|index| {
            let mut entry = null_mut();
            // SAFETY: the list is valid; the entry is in it, and begins with its header.
            let header = unsafe {
                if GetAce(self.list, index, &raw mut entry) == 0 {
                    return None;
                }
                *entry.cast::<ACE_HEADER>()
            };
            let allows = ALLOWING.contains(&header.AceType);
            // Others have to do with what is logged, or with things that are no files.
            if !allows && !FORBIDDING.contains(&header.AceType) {
                return None;
            }
            let entry = entry.cast::<ACCESS_ALLOWED_ACE>();
            // SAFETY: entries of these kinds begin so, and the SID begins where the last field stands.
            let (mask, sid) = unsafe { ((*entry).Mask, (&raw mut (*entry).SidStart).cast()) };
            let is_for_others = u32::from(header.AceFlags) & INHERIT_ONLY_ACE != 0;
            Some(Entry { allows, mask, is_for_others, sid })
        });
        Some(entries.collect())
    }

    /// Whether nobody may do anything with it but the user of this process, the system and its administrators.
    ///
    /// # Errors
    /// Those of the system.
    pub fn is_private(&self) -> io::Result<bool> {
        let user = User::current()?;
        let is_safe = |sid: PSID| {
            // SAFETY: both are valid, by the system, while this is there.
            is_system(sid) || unsafe { EqualSid(sid, user.sid()) } != 0
        };
        let is_closed = self
            .entries()
            .is_some_and(|entries| entries.iter().all(|entry| !entry.allows || is_safe(entry.sid)));
        Ok(is_closed && !self.owner.is_null() && is_safe(self.owner))
    }
}

/// Whether this is the system, or its administrators, who can do everything anyway.
fn is_system(sid: PSID) -> bool {
    [WinLocalSystemSid, WinBuiltinAdministratorsSid].iter().any(|kind| {
        // SAFETY: who calls has it from a descriptor that is still there.
        unsafe { IsWellKnownSid(sid, *kind) != 0 }
    })
}

/// Whether the object behind a pipe was made by this user. Nobody else can make one that belongs to him.
pub(super) fn is_own_pipe(pipe: BorrowedHandle<'_>) -> io::Result<bool> {
    Access::of(pipe, SE_KERNEL_OBJECT)?.is_ours()
}

/// Makes a directory that only this user can enter.
///
/// # Errors
/// Those of the system: `AlreadyExists`, say.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    let security = OwnerOnly::for_directory()?;
    // SAFETY: the path ends with a zero, and the attributes are there during the call.
    checked(unsafe { CreateDirectoryW(wide_path(path)?.as_ptr(), security.attributes().as_ptr()) })
}

/// Makes a file, which must not be there yet, that only this user can read and write.
///
/// # Errors
/// Those of the system: `AlreadyExists`, say.
pub fn create_private_file(path: &Path) -> io::Result<File> {
    let security = OwnerOnly::new()?;
    // SAFETY: the path ends with a zero, and the attributes are there during the call.
    let handle: OwnedHandle = owned(unsafe {
        CreateFileW(
            wide_path(path)?.as_ptr(),
            GENERIC_WRITE,
            FILE_SHARE_READ,
            security.attributes().as_ptr(),
            CREATE_NEW,
            FILE_ATTRIBUTE_NORMAL,
            null_mut(),
        )
    })?;
    Ok(handle.into())
}

/// Whether a file or directory is for this user alone; the system and administrators aside.
///
/// # Errors
/// Those of the system.
pub fn is_private(file: &impl AsHandle) -> io::Result<bool> {
    Access::of_file(file.as_handle())?.is_private()
}
