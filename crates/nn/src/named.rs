//! The trainable parameters of a module as one flat vector, with their names: what an optimiser, a checkpoint and a
//! shape change need. The order is the module's own and never depends on a hash.

use crate::kernels;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};

/// Name and dimensions of one trainable parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Path in the module, such as `layers.0.attention.query.adapter.a`.
    pub name: String,
    /// Dimensions.
    pub dims: Vec<usize>,
}

impl Slot {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Whether training changes `param`.
pub fn is_trainable<const D: usize>(param: &Param<Tensor<D>>) -> bool {
    param.is_require_grad()
}

/// The trainable parameters of `module`, in order.
pub fn slots<M: Module>(module: &M) -> Vec<Slot> {
    let mut visitor = Collect { path: Vec::new(), slots: Vec::new(), values: Vec::new(), read: Read::Nothing };
    module.visit(&mut visitor);
    visitor.slots
}

/// The trainable values, concatenated, without autodiff: `[Σ len]`. `None` when nothing is trainable.
pub fn values<M: Module>(module: &M) -> Option<Tensor<1>> {
    collect(module, Read::Values)
}

/// The gradients of the trainable values, concatenated as [`values`]; zeros where the loss does not reach.
pub fn gradients<M: Module>(module: &M, gradients: &mut Gradients) -> Option<Tensor<1>> {
    collect(module, Read::Gradients(gradients))
}

/// The module with its trainable parameters replaced by slices of `flat`, which is laid out as [`values`].
pub fn with_values<M: Module>(module: M, flat: &Tensor<1>) -> M {
    let lengths: Vec<usize> = slots(&module).iter().map(Slot::len).collect();
    module.map(&mut Assign { pieces: kernels::split(flat, &lengths).into_iter() })
}

/// The same module, whose parameters autodiff does not know of: passes of both can be made at the same time.
pub fn untied<M: Module>(module: M) -> M {
    module.map(&mut Untie)
}

/// Makes exactly the parameters whose path satisfies `which` trainable.
pub fn set_trainable<M: Module>(module: M, which: &dyn Fn(&str) -> bool) -> M {
    module.map(&mut Mark { path: Vec::new(), which })
}

/// The vectors behind one another, none of them with autodiff.
pub fn concat(parts: Vec<Tensor<1>>) -> Tensor<1> {
    kernels::concat(parts)
}

fn collect<M: Module>(module: &M, read: Read<'_>) -> Option<Tensor<1>> {
    let mut visitor = Collect { path: Vec::new(), slots: Vec::new(), values: Vec::new(), read };
    module.visit(&mut visitor);
    (!visitor.values.is_empty()).then(|| concat(visitor.values))
}

enum Read<'a> {
    Nothing,
    Values,
    Gradients(&'a mut Gradients),
}

struct Collect<'a> {
    path: Vec<String>,
    slots: Vec<Slot>,
    values: Vec<Tensor<1>>,
    read: Read<'a>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !is_trainable(param) {
            return;
        }
        let dims = param.dims();
        self.slots.push(Slot { name: self.path.join("."), dims: dims.to_vec() });
        let n: usize = dims.iter().product();
        match &mut self.read {
            Read::Nothing => {}
            Read::Values => self.values.push(param.val().without_autodiff().reshape([n])),
            Read::Gradients(gradients) => {
                let value = param.val();
                self.values.push(match value.grad_remove(gradients) {
                    Some(gradient) => gradient.reshape([n]),
                    None => Tensor::zeros([n], &value.device().inner()),
                });
            }
        }
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}

struct Assign {
    pieces: std::vec::IntoIter<Tensor<1>>,
}

impl ModuleMapper for Assign {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !is_trainable(&param) {
            return param;
        }
        // Invariant: there is a piece for every slot, and the slots are the trainable parameters in this order.
        let Some(piece) = self.pieces.next() else { return param };
        let tracked = param.val().is_autodiff();
        let value = piece.reshape(param.dims());
        let value = if tracked { Tensor::from_inner(value).require_grad() } else { value };
        Param::initialized(param.id, value)
    }
}

struct Untie;

impl ModuleMapper for Untie {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trainable = is_trainable(&param);
        let value = Tensor::from_inner(param.val().without_autodiff());
        Param::initialized(param.id, if trainable { value.require_grad() } else { value })
    }
}

struct Mark<'a> {
    path: Vec<String>,
    which: &'a dyn Fn(&str) -> bool,
}

impl ModuleMapper for Mark<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let on = (self.which)(&self.path.join("."));
        Param::from_tensor(param.val().detach()).set_require_grad(on)
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}
