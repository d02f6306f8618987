//! The task image with nothing around it.

mod names;
mod root;
mod task_image;
