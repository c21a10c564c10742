namespace SafeAmqp.FaultTests.Hosts;

/// <summary>A process that has used up its file descriptors, as a service does that leaks them elsewhere.</summary>
public sealed class DescriptorTests : FaultCase
{
    [Fact]
    public async Task Without_a_free_descriptor_no_client_is_made_and_says_so_and_the_next_one_works()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There is no such limit here.");
        AmqpTestBroker broker = await BrokerAsync();
        await using var process = new HostProcess(broker.Uri.ToString(), "descriptors", descriptors: 250);
        await UntilAsync(() => process.HasSaid("bye"));
        Assert.Contains("none left, TooManyOpenSockets", process.Lines);
    }
}
