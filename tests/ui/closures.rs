use plugin_core::{Result, plugin_interface};

#[plugin_interface]
trait Progress {
    fn at(&self, percent: u8) -> Result<()>;
}

#[plugin_interface]
trait Kv {
    fn traits(&self, a: &mut dyn Fn(u8), b: &dyn FnMut(u8), c: &mut dyn FnOnce(u8)) -> Result<()>;
    fn places(&self, a: &[&dyn Fn(u8)], b: Vec<&dyn Progress>, c: (u8, &dyn Fn()), d: &&dyn Fn()) -> Result<()>;
    fn nested(&self, a: &dyn Fn(&dyn Fn(u8)), b: &dyn Fn(Option<&dyn Progress>), c: &dyn Fn(Box<dyn Fn()>)) -> Result<()>;
    fn returned(&self, a: &dyn Fn(&str) -> &str, b: &mut dyn FnMut(&u8) -> Option<&[u8]>) -> Result<()>;
    fn failed(&self, a: &dyn Fn() -> Result<u8, Box<dyn std::error::Error>>) -> Result<()>;
    fn lifetimes(&self, a: &dyn for<'a> Fn(&'a str), b: &'static dyn Fn(), c: &(dyn Fn() + 'static)) -> Result<()>;
    fn named(&self, a: &dyn Fn(&'static str)) -> Result<()>;
    fn bounds(&self, a: &(dyn Fn() + Unpin), b: &(dyn Send + Sync), c: &(dyn Progress + Unpin)) -> Result<()>;
    fn arguments(&self, a: &dyn Fn(&mut u8, *const u8)) -> Result<()>;
}

// What follows is refused by the compiler, too.
#[plugin_interface]
trait Others {
    fn future(&self, visit: &dyn AsyncFn(u8)) -> Result<()>;
    fn brackets(&self, visit: &dyn Fn<(u8,), Output = ()>) -> Result<()>;
}

fn main() {}
