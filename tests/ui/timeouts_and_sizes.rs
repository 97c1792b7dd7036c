use plugin_core::{Result, plugin_interface};

#[plugin_interface(timeout = "5", max_message = "16 MB")]
trait Units {
    #[plugin(timeout = "1.5s")]
    fn get(&self) -> Result<u8>;
    #[plugin(timeout = 5)]
    fn put(&self) -> Result<u8>;
}

#[plugin_interface(timeout = "0s", max_message = 0)]
trait Zero {
    #[plugin(timeout = "0 ms")]
    fn get(&self) -> Result<u8>;
}

#[plugin_interface(timeout = "9999999999999999999h", max_message = "4 GiB")]
trait TooLarge {
    #[plugin(timeout = "18446744073709552ms")]
    fn get(&self) -> Result<u8>;
}

#[plugin_interface(timeout = "none", max_message = LIMIT)]
trait Others {
    #[plugin(timeout = "1s", timeout = "none")]
    fn get(&self) -> Result<u8>;
    #[plugin(max_message = "1 KiB")]
    fn put(&self) -> Result<u8>;
    #[plugin(timeout)]
    fn set(&self) -> Result<u8>;
}

fn main() {}
