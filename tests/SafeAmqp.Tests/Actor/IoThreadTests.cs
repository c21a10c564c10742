// Every wait here is bounded by itself.
#pragma warning disable xUnit1051
using Microsoft.Extensions.Logging.Abstractions;
using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Telemetry;
using SafeAmqp.Topology;

namespace SafeAmqp.Tests.Actor;

public sealed class IoThreadTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(20);

    private readonly FakeLink _link = new();
    private readonly IoThread _thread = NewThread();

    [Fact]
    public async Task The_thread_handles_commands_and_ends_with_the_close()
    {
        Use(_link);
        _thread.Start();
        _thread.Start();
        _thread.PostOrAbandon(new ActorCommand.Start());
        await Close();
        Assert.Equal([1], _link.Connects);

        var late = new Completion<bool>();
        while (_thread.Post(new ActorCommand.Start())) // until the thread has closed its mailbox
            await Task.Yield();
        _thread.PostOrAbandon(new ActorCommand.WaitOpen(failFast: false, late));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => late.Task.AsTask().WaitAsync(Long));
    }

    [Fact]
    public async Task A_bug_ends_what_waits_and_what_comes_later_and_not_the_process()
    {
        Use(new BrokenLink());
        var waiting = new Completion<bool>();
        _thread.PostOrAbandon(new ActorCommand.WaitOpen(failFast: false, waiting));
        _thread.PostOrAbandon(new ActorCommand.Start());
        _thread.Start();
        var error = await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting.Task.AsTask().WaitAsync(Long));
        Assert.Contains("bug in SafeAmqp", error.Message, StringComparison.Ordinal);
        await Close();
    }

    [Fact]
    public async Task Nobody_but_the_owner_may_touch_the_link()
    {
        Use(_link);
        Assert.Throws<InvalidOperationException>(_thread.AssertOwner);
        var asked = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        _thread.Start();
        _thread.Post(new ShellStep(() => asked.SetResult(Record.Exception(_thread.AssertOwner))));
        Assert.Null(await asked.Task.WaitAsync(Long));
        Assert.Throws<InvalidOperationException>(_thread.AssertOwner);
        await Close();
    }

    [Fact]
    public async Task Commands_that_race_with_the_close_all_end()
    {
        for (int round = 0; round < 50; round++)
        {
            IoThread thread = NewThread();
            thread.Actor = NewActor(_link);
            thread.Start();
            var waits = new Completion<bool>[200];
            Task poster = Task.Run(() =>
            {
                for (int i = 0; i < waits.Length; i++)
                    thread.PostOrAbandon(new ActorCommand.WaitOpen(failFast: false, waits[i] = new Completion<bool>()));
            });
            thread.PostOrAbandon(new ActorCommand.Close(0, new Completion<bool>()));
            await poster;
            foreach (Completion<bool> wait in waits)
                await Assert.ThrowsAsync<ObjectDisposedException>(() => wait.Task.AsTask().WaitAsync(Long));
        }
    }

    private static IoThread NewThread()
        => new("test", new ActorClock(TimeProvider.System), new LinkEvents(NullLogger.Instance, "test"), _ => ActorClock.Never);

    private static ConnectionActor NewActor(IBrokerLink link)
        => new(new ActorSettings { Name = "test" }, link, new TopologyLedger(), new LinkEvents(NullLogger.Instance, "test"), () => 0.5, new LinkGauges("test"), () => new AmqpClientStatus([]));

    private void Use(IBrokerLink link) => _thread.Actor = NewActor(link);

    private async Task Close()
    {
        var closed = new Completion<bool>();
        _thread.PostOrAbandon(new ActorCommand.Close(0, closed));
        await closed.Task.AsTask().WaitAsync(Long);
    }

    private sealed class BrokenLink : IBrokerLink
    {
        public void Connect(int epoch) => throw new InvalidOperationException("broken");
        public void Abandon(int epoch, bool politely) => throw new InvalidOperationException("broken, too");
        public void OpenChannel(int epoch, long incarnation, bool confirms, int prefetch) => throw new InvalidOperationException();
        public void CloseChannel(long incarnation) => throw new InvalidOperationException();
        public PassResult Publish(long incarnation, AmqpMessage message, int slot) => throw new InvalidOperationException();
        public void Settle(long incarnation, ulong tag, bool multiple, AmqpSettlement settlement) => throw new InvalidOperationException();
        public void Declare(long incarnation, TopologyItem item) => throw new InvalidOperationException();
        public void Consume(long incarnation, ConsumeRequest request) => throw new InvalidOperationException();
        public void CancelConsumer(long incarnation) => throw new InvalidOperationException();
        public LinkTraffic Traffic(int epoch) => default;
    }
}
