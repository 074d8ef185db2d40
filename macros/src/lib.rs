//! `embed_migrations!`; users meet it through the crate `whimbrel`.
//!
//! ```text
//! tokens ─input─▶ directory, dialect ─core::load─▶ set ─core::pack─▶ literals ─emit─▶ tokens
//!            └───────── problems ─────────┴──────fallback─▶ one compile_error! for each, and an empty set
//! ```

mod emit;
mod fallback;
mod input;

use proc_macro2::TokenStream;
use quote::quote;
use whimbrel_core::load::load;

use emit::emit;
use fallback::Failure;
use input::Input;

/// `embed!($crate; <what the user wrote>)`; the facade `embed_migrations!` hands its `$crate` on, so that the
/// emitted code finds whimbrel under whatever name the user knows it.
#[doc(hidden)]
#[proc_macro]
pub fn embed(tokens: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let (whimbrel, arguments) = input::split(tokens.into());
    let set = expand(arguments).unwrap_or_else(Failure::into_tokens);
    quote! {{ use #whimbrel::__private as __whimbrel; #set }}.into()
}

fn expand(arguments: TokenStream) -> Result<TokenStream, Failure> {
    let input = Input::parse(arguments)?;
    let directory = input.resolve()?;
    let loaded = load(&directory, &input.shown, input.dialect).map_err(|found| Failure::new(found, input.span))?;
    emit(&loaded, &directory, &input.shown, input.span).map_err(|found| Failure::new(found, input.span))
}
