//! The way to a running node: where its API listens, and the token that fits the operation.

use super::fail::wrong;
use lapwing_api::client::Client;
use lapwing_api::ops::{Access, Op};
use lapwing_api::problem::{Code, Problem};
use lapwing_api::types::Page;
use lapwing_node::folder::{self, Folder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;

/// Items that a list gathers at most.
const MAX_ITEMS: usize = 100_000;

/// A running node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its data folder on this machine, if it is on this machine.
    pub folder: Folder,
    address: String,
    token_file: Option<PathBuf>,
}

/// A query of an operation.
pub type Query<'a> = Vec<(&'a str, String)>;

impl Node {
    /// The node of a data folder, or at an address.
    pub fn open(folder: Folder, api: Option<&str>, token_file: Option<PathBuf>) -> Result<Self, Problem> {
        let address = match api {
            Some(address) => address.to_owned(),
            None => {
                let path = folder.api_address();
                let bytes = folder::read(&path, 256).map_err(|_| {
                    let what = format!("no node runs on {}", folder.root().display());
                    Problem::new(Code::Unreachable, what)
                        .hint("`lapwing run` starts it; `--data DIR` or `--api ADDR` tell which node is meant.")
                })?;
                String::from_utf8_lossy(&bytes).trim().to_owned()
            }
        };
        Ok(Node { folder, address, token_file })
    }

    fn client(&self, op: Op) -> Result<Client, Problem> {
        let path = match (&self.token_file, op.row().access) {
            (Some(path), _) => path.clone(),
            (None, Access::Admin) => self.folder.admin_token(),
            (None, Access::Auditor) => self.folder.auditor_token(),
            (None, _) => self.folder.api_token(),
        };
        let secret = folder::read(&path, 4096).map_err(|e| {
            Problem::new(Code::Unauthenticated, format!("no token: {e}"))
                .hint("A running node writes its local tokens into the data folder; else give `--token-file FILE`.")
        })?;
        Ok(Client::new(&self.address, &String::from_utf8_lossy(&secret)))
    }

    /// Reads.
    pub fn read<T: DeserializeOwned>(&self, op: Op, path: &[&str], query: &Query<'_>) -> Result<T, Problem> {
        self.client(op)?.read(op, path, query)
    }

    /// Reads what is open to everybody: works without any token.
    pub fn read_open<T: DeserializeOwned>(&self, op: Op) -> Result<T, Problem> {
        Client::new(&self.address, "").read(op, &[], &[])
    }

    /// Calls with a body.
    pub fn call<T: DeserializeOwned>(&self, op: Op, path: &[&str], body: &impl Serialize) -> Result<T, Problem> {
        self.client(op)?.call(op, path, &[], body)
    }

    /// Uploads bytes.
    pub fn upload<T: DeserializeOwned>(
        &self,
        op: Op,
        path: &[&str],
        query: &Query<'_>,
        content: impl Read,
        len: u64,
    ) -> Result<T, Problem> {
        self.client(op)?.upload(op, path, query, content, len)
    }

    /// Downloads bytes.
    pub fn download(
        &self,
        op: Op,
        path: &[&str],
        query: &Query<'_>,
    ) -> Result<(Box<dyn Read + Send>, Option<u64>), Problem> {
        self.client(op)?.download(op, path, query)
    }

    /// A whole list, page by page, as the page that it would be in one.
    pub fn list(&self, op: Op, path: &[&str], query: &Query<'_>) -> Result<Value, Problem> {
        let client = self.client(op)?;
        let mut all = Page { items: Vec::new(), next: None, as_of: 0 };
        for page in client.pages::<Value>(op, path, query) {
            let page = page?;
            all.items.extend(page.items);
            (all.next, all.as_of) = (page.next, page.as_of);
            if all.items.len() >= MAX_ITEMS {
                break;
            }
        }
        serde_json::to_value(&all).map_err(|e| Problem::new(Code::Internal, e.to_string()))
    }
}

/// Reads an answer as its type. A newer node may answer what this program does not know.
pub fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, Problem> {
    serde_json::from_value(value.clone()).map_err(|e| {
        wrong(format!("the node's answer is not understood: {e}"))
            .hint("The node may be of another version; `--json` shows its answer as it is.")
    })
}

/// The items of a list.
pub fn items<T: DeserializeOwned>(list: &Value) -> Result<Vec<T>, Problem> {
    typed(list.get("items").unwrap_or(list))
}
