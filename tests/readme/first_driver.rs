use kmdf::{DeviceInit, Driver, EvtIoWrite, MemoryDescriptor, NtStatus, Parameters, Queue};
use kmdf::{QueueConfig, Received, RequestParameters, Result, SendOptions, SendRequest};

struct Filter;
kmdf::driver!(Filter);

impl Driver for Filter {
    type Device = Disk;

    fn load(_parameters: &Parameters<'_>) -> Result<Self> {
        Ok(Self)
    }

    fn evt_device_add(&self, mut init: DeviceInit<'_, Disk>) -> Result {
        init.set_filter();
        let device = init.create(Disk)?;
        Queue::create(
            device,
            QueueConfig::parallel()
                .default_queue()
                .passive_level()
                .write(),
        )?;
        Ok(())
    }
}

struct Disk;
kmdf::context!(Disk);

impl EvtIoWrite for Disk {
    fn evt_io_write(&self, queue: &Queue<Self>, request: Received<'_>, _length: usize) {
        match send(queue, &request) {
            Ok(bytes) => request.complete_with_information(NtStatus::SUCCESS, bytes),
            Err(error) => request.complete(error),
        }
    }
}

fn send(queue: &Queue<Disk>, request: &Received<'_>) -> Result<usize> {
    let RequestParameters::Write { device_offset, .. } = request.parameters() else {
        return Ok(0);
    };
    let memory = request.input_memory()?;
    let data = MemoryDescriptor::memory(&memory)?;
    let target = queue.device()?.io_target()?;
    let options = SendOptions::new();
    Ok(target
        .send_write_sync(SendRequest::Framework, data, Some(device_offset), &options)?
        .bytes())
}
