using System.Collections.Concurrent;
using System.Threading.Channels;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using Microsoft.Extensions.Logging.Abstractions;

namespace FederatedLearning.Tests.Server;

public sealed class ClientConnectionTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly ConcurrentQueue<ScriptedLink> _links = new();
    private readonly SemaphoreSlim _made = new(0);

    public void Dispose() => _made.Dispose();

    [Fact]
    public async Task A_connection_that_is_lost_comes_back_and_the_client_registers_again()
    {
        await using var connection = Connect(Entry("one"));
        var first = await LinkAsync();
        Assert.IsType<ClientRegistration>(await first.SentAsync());
        first.Say(new StartTraining(1));
        Assert.Equal(new StartTraining(1), await NextAsync(connection));
        first.Lose();

        var second = await LinkAsync();
        Assert.IsType<ClientRegistration>(await second.SentAsync());
        Assert.True(first.IsDisposed);
        second.Say(new StartTraining(2));
        Assert.Equal(new StartTraining(2), await NextAsync(connection));
    }

    [Fact]
    public async Task The_protocols_of_the_list_are_tried_in_their_order_until_one_works()
    {
        await using var connection = Connect(
            Entry("one", link => link.ConnectError = new LinkException("no server there")), Entry("two"));
        Assert.Equal("one", (await LinkAsync()).Protocol);
        var second = await LinkAsync();
        Assert.IsType<ClientRegistration>(await second.SentAsync());
        Assert.Equal("two", connection.Protocol);
    }

    [Fact]
    public async Task What_was_lost_with_a_link_is_sent_over_the_next()
    {
        await using var connection = Connect(Entry("one"));
        var first = await LinkAsync();
        await first.SentAsync();
        first.SendError = new LinkException("broken");
        var sending = connection.SendAsync(Some.Metrics(1, 3), TestContext.Current.CancellationToken).AsTask();
        var second = await LinkAsync();
        await sending.WaitAsync(Patience, TestContext.Current.CancellationToken);
        ClientMessage[] sent = [await second.SentAsync(), await second.SentAsync()];
        Assert.Contains(sent, message => message is ClientRegistration);
        Assert.Contains(sent, message => message == Some.Metrics(1, 3));
    }

    [Fact]
    public async Task A_protocol_is_changed_only_when_the_next_is_connected_and_the_old_one_is_heard_no_more()
    {
        await using var connection = Connect(Entry("one"), Entry("two"));
        var one = await LinkAsync();
        await one.SentAsync();
        connection.ChangeProtocol();
        var two = await LinkAsync();
        Assert.IsType<ClientRegistration>(await two.SentAsync());
        Assert.Equal("two", connection.Protocol);
        one.Say(new Rejected("registered over another protocol since"));
        two.Say(new StartTraining(4));
        Assert.Equal(new StartTraining(4), await NextAsync(connection));
        await one.Disposed.WaitAsync(Patience, TestContext.Current.CancellationToken);
    }

    [Theory]
    [InlineData("server_started")]
    [InlineData("error")]
    public async Task A_server_that_does_not_know_the_client_is_registered_with_again(string kind)
    {
        await using var connection = Connect(Entry("one"));
        var link = await LinkAsync();
        await link.SentAsync();
        link.Say(kind == "error" ? new ErrorReport(ErrorReport.NotRegistered, 1) : new ServerStarted());
        Assert.IsType<ClientRegistration>(await link.SentAsync());
    }

    [Fact]
    public async Task After_a_long_silence_the_client_registers_again_and_again_less_often()
    {
        var time = new ManualTimeProvider();
        await using var connection = Connect(time, Entry("one"));
        var link = await LinkAsync();
        await link.SentAsync();
        Assert.IsType<ClientRegistration>(await AfterAsync(TimeSpan.FromMinutes(5)));
        Assert.IsType<ClientRegistration>(await AfterAsync(TimeSpan.FromMinutes(10)));

        async Task<ClientMessage> AfterAsync(TimeSpan silence)
        {
            var sent = link.SentAsync();
            // The loop's timer may be set a moment after the registration.
            await time.WhenArmedAsync(silence).WaitAsync(Patience);
            time.Advance(silence);
            return await sent;
        }
    }

    [Fact]
    public async Task Where_nothing_can_ever_work_the_client_is_told_why()
    {
        await using var connection = Connect(
            Entry("one", link => link.ConnectError = new LinkException("wrong password") { IsFinal = true }));
        var error = await Assert.ThrowsAsync<LinkException>(
            async () => await connection.Received.Completion.WaitAsync(
                Patience, TestContext.Current.CancellationToken));
        Assert.Equal("wrong password", error.Message);
        await Assert.ThrowsAsync<LinkException>(
            async () => await connection.SendAsync(Some.Metrics(1, 1), TestContext.Current.CancellationToken));
    }

    private static ClientConnection Connect(params ProtocolEntry<IClientLink>[] protocols)
        => Connect(TimeProvider.System, protocols);

    private static ClientConnection Connect(TimeProvider time, params ProtocolEntry<IClientLink>[] protocols)
        => new(Some.Id(1), protocols, new ClientConnectionOptions(), time, NullLogger.Instance);

    private ProtocolEntry<IClientLink> Entry(string name, Action<ScriptedLink>? script = null) => new(name, () =>
    {
        var link = new ScriptedLink(name);
        script?.Invoke(link);
        _links.Enqueue(link);
        _made.Release();
        return link;
    });

    private async Task<ScriptedLink> LinkAsync()
    {
        Assert.True(await _made.WaitAsync(Patience, TestContext.Current.CancellationToken), "no link was made");
        Assert.True(_links.TryDequeue(out var link));
        return link;
    }

    private static async Task<OutgoingMessage> NextAsync(ClientConnection connection)
        => await connection.Received.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Patience);

    /// <summary>A link that does what the test says.</summary>
    private sealed class ScriptedLink(string protocol) : IClientLink
    {
        private readonly Channel<OutgoingMessage> _received = Channel.CreateUnbounded<OutgoingMessage>();
        private readonly Channel<ClientMessage> _sent = Channel.CreateUnbounded<ClientMessage>();
        private readonly TaskCompletionSource _disposed = new();

        public string Protocol => protocol;

        public ChannelReader<OutgoingMessage> Received => _received.Reader;

        public LinkException? ConnectError { get; set; }

        public LinkException? SendError { get; set; }

        public bool IsDisposed => _disposed.Task.IsCompleted;

        public Task Disposed => _disposed.Task;

        public Task ConnectAsync(CancellationToken cancellationToken)
            => ConnectError is { } error ? Task.FromException(error) : Task.CompletedTask;

        public ValueTask SendAsync(ClientMessage message, CancellationToken cancellationToken)
        {
            if (SendError is { } error) return ValueTask.FromException(error);
            _sent.Writer.TryWrite(message);
            return default;
        }

        public void Say(OutgoingMessage message) => _received.Writer.TryWrite(message);

        public void Lose() => _received.Writer.TryComplete(new LinkException("cut"));

        public async Task<ClientMessage> SentAsync()
            => await _sent.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Patience);

        public ValueTask DisposeAsync()
        {
            _received.Writer.TryComplete();
            _disposed.TrySetResult();
            return default;
        }
    }
}
