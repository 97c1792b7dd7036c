//! Client and server are as visible as their trait.

#![deny(warnings, unreachable_pub)]

mod outer {
    pub(crate) mod inner {
        #[plugin_core::plugin_interface]
        trait Private {
            fn get(&self) -> u8;
        }

        #[plugin_core::plugin_interface]
        pub(super) trait Above {
            fn get(&self) -> u8;
        }

        #[plugin_core::plugin_interface]
        pub(in crate::outer) trait Inside {
            fn get(&self, key: Key) -> plugin_core::Result<Key>;
        }

        #[plugin_core::plugin_interface]
        pub(crate) trait Crate {
            fn get(&self) -> u8;
        }

        #[derive(serde::Serialize, serde::Deserialize)]
        pub(in crate::outer) struct Key;

        pub(in crate::outer) fn private() {
            let _ = |client: &PrivateClient| client.get();
        }
    }

    pub(crate) fn calls() {
        let _ = |above: &inner::AboveClient| above.get();
        let _ = |inside: &inner::InsideClient| inner::Inside::get(inside, inner::Key);
        inner::private();
    }
}

fn main() {
    outer::calls();
    let _ = |client: &outer::inner::CrateClient| client.get();
}
