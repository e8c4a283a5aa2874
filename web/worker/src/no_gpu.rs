//! In the place of the GPU in the program that computes on the CPU alone: there is none to be opened.

use crate::error::WorkerError;
use crate::store_writer::StoreWriter;
use apt_bridge::adapter::describe;
use apt_bridge::{Adapter, Check};
use burn::tensor::Device;

/// An open GPU, which there never is.
pub(crate) enum Gpu {}

impl Gpu {
    pub(crate) async fn open() -> Result<Self, String> {
        describe().await?;
        Err("the engine that was started computes on the CPU alone".into())
    }

    pub(crate) fn device(&self) -> Device {
        match *self {}
    }

    pub(crate) fn adapter(&self) -> &Adapter {
        match *self {}
    }

    pub(crate) fn checks(&self) -> Option<&[Check]> {
        match *self {}
    }

    pub(crate) fn is_remembered(&self) -> bool {
        match *self {}
    }

    pub(crate) async fn test(&mut self, _store: Option<&StoreWriter>, _again: bool) -> Result<(), WorkerError> {
        match *self {}
    }
}
