using System.Net;
using System.Net.Sockets;
using SafeAmqp.Testing;

namespace SafeAmqp.IntegrationTests.Recovery;

public sealed class ConnectTests(TestBroker broker) : FaultTest(broker)
{
    private const string Nowhere = "amqp://guest:guest@127.0.0.1:1/";

    [Fact]
    public async Task A_silent_server_holds_connecting_no_longer_than_its_time_out()
    {
        using var silent = new Silent();
        AmqpClient amqp = NewClient(options => (options.Uri, options.FirstConnect, options.ConnectTimeout) = (
            silent.Uri, AmqpFirstConnect.FailFast, TimeSpan.FromSeconds(1)));
        var (error, took) = await TimedEndOf(() => amqp.OpenAsync(Cancelled));
        var connect = Assert.IsType<AmqpConnectException>(error);
        Assert.False(connect.IsRefused);
        Assert.Contains("1 s", connect.Message, StringComparison.Ordinal);
        Assert.InRange(took, TimeSpan.FromSeconds(0.9), TimeSpan.FromSeconds(1) + Margin);
        Assert.True(silent.Accepted > 0);
    }

    [Fact]
    public async Task A_dead_endpoint_does_not_keep_the_next_from_being_tried()
    {
        AmqpClient amqp = await ConnectAsync(options => (options.Uri, options.Hosts, options.FirstConnect) = (
            Nowhere, [$"127.0.0.1:{Broker.Node.Port}"], AmqpFirstConnect.FailFast));
        Assert.All(amqp.Status.Links, link => Assert.Equal($"127.0.0.1:{Broker.Node.Port}", link.Host));
        Assert.All(amqp.Status.Links, link => Assert.Equal(2, link.Epoch));
        await amqp.PublishAsync(AmqpMessage.ToQueue(await NewQueueAsync(amqp), []), Cancelled);
    }

    [Fact]
    public async Task A_first_connect_that_fails_fast_throws_once_every_endpoint_had_its_turn()
    {
        AmqpClient amqp = NewClient(options =>
            (options.Uri, options.Hosts, options.FirstConnect) = (Nowhere, ["127.0.0.1:2"], AmqpFirstConnect.FailFast));
        var (error, took) = await TimedEndOf(() => amqp.OpenAsync(Cancelled));
        var connect = Assert.IsType<AmqpConnectException>(error);
        Assert.False(connect.IsRefused);
        Assert.Null(connect.ReplyCode);
        Assert.NotNull(connect.Status);
        Assert.True(took < TimeSpan.FromSeconds(2), $"took {took}");
        await Assert.ThrowsAsync<AmqpConnectException>(() => AmqpClient.ConnectAsync(
            new AmqpClientOptions { Uri = Nowhere, FirstConnect = AmqpFirstConnect.FailFast }, Cancelled));
    }

    [Fact]
    public async Task A_first_connect_that_retries_goes_on_until_the_broker_is_there()
    {
        FaultProxy proxy = NewProxy();
        proxy.Refuse = true;
        AmqpClient amqp = NewClient(
            options => (options.Uri, options.MaxReconnectDelay) = (proxy.Uri, TimeSpan.FromMilliseconds(300)));
        Task open = amqp.OpenAsync(Cancelled);
        Task publish = amqp.PublishAsync(AmqpMessage.Broadcast("amq.fanout", []), Cancelled).AsTask();
        await UntilAsync(() => amqp.Status.Links.All(link => link.RecoveryAttempt >= 3));
        Assert.False(open.IsCompleted);
        Assert.Contains(amqp.Status.Links, link => link.LastError is not null);
        proxy.Refuse = false;
        await open.WaitAsync(Limit, Cancelled);
        await publish.WaitAsync(Limit, Cancelled);
        Assert.All(amqp.Status.Links, link => Assert.Equal(0, link.RecoveryAttempt));
    }

    [Fact]
    public async Task A_cancelled_open_ends_at_once()
    {
        using var cancel = new CancellationTokenSource();
        AmqpClient amqp = NewClient(options => options.Uri = Nowhere);
        Task open = amqp.OpenAsync(cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => open.WaitAsync(Margin, Cancelled));
    }

    [Fact]
    public async Task Refused_credentials_are_told_apart_and_not_tried_again_soon()
    {
        BrokerRecord record = await Broker.Node.WatchAsync(Cancelled);
        AmqpClient amqp = NewClient(options => (options.Uri, options.FirstConnect, options.ReconnectDelay)
            = ($"amqp://guest:wrong-s3cret@127.0.0.1:{Broker.Node.Port}/", AmqpFirstConnect.FailFast,
                TimeSpan.FromMilliseconds(1)));
        var connect = Assert.IsType<AmqpConnectException>(await EndOf(amqp.OpenAsync(Cancelled)));
        Assert.True(connect.IsRefused);
        Assert.Equal(403, connect.ReplyCode);
        Assert.DoesNotContain("s3cret", connect.ToString(), StringComparison.Ordinal);
        await UntilAsync(() =>
            amqp.Status.Links.All(link => link is { State: AmqpLinkState.Waiting, NextAttemptIn.TotalSeconds: > 5 }));
        await UntilAsync(() => amqp.Status.Links.All(link => link.InState > TimeSpan.FromSeconds(1.5)));
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
        Assert.Equal(2, await record.RefusedLoginsAsync(Cancelled));
        Assert.Contains("403", amqp.Status.ToString(), StringComparison.Ordinal);
    }

    // The embedded broker on every run: RabbitMQ can't be made to answer two logins so differently.
    [Fact]
    public async Task A_link_that_is_refused_while_the_other_still_connects_fails_the_open_as_soon_as_that_is_open()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        AmqpClient amqp = NewClient(options => (options.Uri, options.ClientName, options.FirstConnect) = (
            broker.Uri.ToString(), "two", AmqpFirstConnect.FailFast));
        using FaultScript refuse = broker.Script(
            FaultTrigger.LogIn().OnConnection("two:receive"), FaultAction.RefuseAuthentication());
        using FaultScript hold = broker.Script(
            FaultTrigger.OnMethod("connection.open").OnConnection("two:send"),
            FaultAction.AnswerLate(TimeSpan.FromSeconds(3))); // time for the other one's refusal to be seen
        Task<(Exception? Error, TimeSpan Took)> open = TimedEndOf(() => amqp.OpenAsync(Cancelled));
        await UntilAsync(() => amqp.Status.Links[1].State == AmqpLinkState.Waiting);
        Assert.NotEqual(AmqpLinkState.Open, amqp.Status.Links[0].State);
        var (error, took) = await open.WaitAsync(Limit, Cancelled);
        Assert.True(Assert.IsType<AmqpConnectException>(error).IsRefused);
        Assert.True(took < TimeSpan.FromSeconds(7), $"took {took}"); // its next attempt would come after half a minute
    }

    [Fact]
    public async Task A_refused_password_that_is_changed_is_picked_up_from_the_provider()
    {
        string password = "wrong";
        AmqpClient amqp = NewClient(options => (options.Uri, options.RefusedReconnectDelay, options.Credentials)
            = ($"amqp://127.0.0.1:{Broker.Node.Port}/", TimeSpan.FromSeconds(1), _ =>
                new ValueTask<AmqpCredentials>(new AmqpCredentials("guest", Volatile.Read(ref password)))));
        Task open = amqp.OpenAsync(Cancelled);
        await UntilAsync(() => amqp.Status.Links[0].LastError?.Contains("403", StringComparison.Ordinal) == true);
        Assert.False(open.IsCompleted);
        Volatile.Write(ref password, "guest");
        await open.WaitAsync(Limit, Cancelled);
    }

    [Fact]
    public async Task A_provider_of_credentials_that_blocks_its_thread_holds_up_no_deadline()
    {
        using var release = new ManualResetEventSlim();
        string? thread = null;
        AmqpClient amqp = NewClient(options =>
        {
            options.Uri = $"amqp://127.0.0.1:{Broker.Node.Port}/";
            // two blocked threads may be all that the pool has, and our own continuation waits then
            options.Layout = AmqpConnectionLayout.Shared;
            options.PublishTimeout = TimeSpan.FromSeconds(1);
            options.Credentials = _ =>
            {
                thread = Thread.CurrentThread.Name;
                release.Wait(Limit, CancellationToken.None);
                return new ValueTask<AmqpCredentials>(new AmqpCredentials("guest", "guest"));
            };
        });
        var (error, took) = await TimedEndOf(
            () => amqp.PublishAsync(AmqpMessage.Broadcast("amq.fanout", []), CancellationToken.None));
        Assert.IsType<AmqpNotSentException>(error);
        Assert.InRange(took, TimeSpan.FromSeconds(0.9), TimeSpan.FromSeconds(1) + Margin);
        release.Set();
        Assert.DoesNotContain("safeamqp", thread ?? "", StringComparison.OrdinalIgnoreCase);
        await amqp.OpenAsync(Cancelled).WaitAsync(Limit, Cancelled);
    }

    [Fact]
    public async Task A_provider_of_credentials_that_never_answers_is_given_up_at_the_connect_time_out()
    {
        AmqpClient amqp = NewClient(
            options => (options.Uri, options.ConnectTimeout, options.FirstConnect, options.Credentials)
            = ($"amqp://127.0.0.1:{Broker.Node.Port}/", TimeSpan.FromMilliseconds(500), AmqpFirstConnect.FailFast,
                async token =>
            {
                await Task.Delay(Timeout.Infinite, token);
                return default;
            }
            ));
        var (error, took) = await TimedEndOf(() => amqp.OpenAsync(Cancelled));
        Assert.IsType<AmqpConnectException>(error);
        Assert.True(took < TimeSpan.FromSeconds(1.5) + Margin, $"took {took}");
    }

    [Fact]
    public async Task An_unknown_virtual_host_is_a_refusal()
    {
        AmqpClient amqp = NewClient(options => (options.Uri, options.VirtualHost, options.FirstConnect)
            = ($"amqp://guest:guest@127.0.0.1:{Broker.Node.Port}", "no-such-host", AmqpFirstConnect.FailFast));
        var connect = Assert.IsType<AmqpConnectException>(await EndOf(amqp.OpenAsync(Cancelled)));
        Assert.True(connect.IsRefused);
        Assert.Equal(530, connect.ReplyCode);
        Assert.Contains("no-such-host", connect.Message, StringComparison.Ordinal);
        await UntilAsync(() =>
            amqp.Status.Links.All(link => link is { State: AmqpLinkState.Waiting, NextAttemptIn.TotalSeconds: > 5 }));
    }

    [Fact]
    public async Task Attempts_grow_rarer_up_to_the_cap_and_never_stop()
    {
        FaultProxy proxy = NewProxy();
        proxy.Refuse = true;
        AmqpClient amqp = NewClient(
            options => (options.Uri, options.Layout, options.ReconnectDelay, options.MaxReconnectDelay)
            = (proxy.Uri, AmqpConnectionLayout.Shared, TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(400)));
        Task open = amqp.OpenAsync(Cancelled);
        long start = TimeProvider.System.GetTimestamp();
        await UntilAsync(() => proxy.Accepted >= 20);
        TimeSpan took = TimeProvider.System.GetElapsedTime(start);
        // Waits are drawn evenly below 50, 100, 200, 400, 400, … ms: 20 attempts take 3.4 s on average.
        Assert.InRange(took, TimeSpan.FromSeconds(1.3), TimeSpan.FromSeconds(8));
        Assert.False(open.IsCompleted);
        Assert.InRange(amqp.Status.Links[0].RecoveryAttempt, 19, 60);
        await amqp.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => open);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Disposal_ends_connecting_and_waiting_within_a_second(bool connecting)
    {
        using var silent = new Silent();
        AmqpClient amqp = NewClient(options => (options.Uri, options.ReconnectDelay, options.MaxReconnectDelay)
            = (connecting ? silent.Uri : Nowhere, TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(60)));
        Task<Exception?> open = EndOf(amqp.OpenAsync(Cancelled));
        Task<Exception?> publish = EndOf(amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled));
        AmqpLinkState state = connecting ? AmqpLinkState.Connecting : AmqpLinkState.Waiting;
        await UntilAsync(
            () => amqp.Status.Links.All(link => link.State == state) && (!connecting || silent.Accepted == 2));
        var (error, took) = await TimedEndOf(amqp.DisposeAsync);
        Assert.Null(error);
        Assert.True(took < TimeSpan.FromSeconds(1), $"took {took}");
        Assert.IsType<ObjectDisposedException>(await open.WaitAsync(Margin, Cancelled));
        Assert.IsType<AmqpNotSentException>(await publish.WaitAsync(Margin, Cancelled));
        if (connecting)
            await UntilAsync(() => silent.AllClosed());
    }

    /// <summary>A server that accepts and never says a word.</summary>
    internal sealed class Silent : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly List<Socket> _sockets = [];

        internal Silent()
        {
            _listener.Start();
            _ = AcceptAsync();
        }

        internal string Uri => $"amqp://guest:guest@127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/";

        internal int Accepted
        {
            get
            {
                lock (_sockets)
                    return _sockets.Count;
            }
        }

        /// <summary>Whether the client has closed every connection.</summary>
        internal bool AllClosed()
        {
            lock (_sockets)
                return _sockets.TrueForAll(socket =>
                {
                    try
                    {
                        byte[] buffer = new byte[64];
                        while (socket.Available > 0)
                            socket.Receive(buffer);
                        return socket.Poll(0, SelectMode.SelectRead) && socket.Available == 0;
                    }
                    catch (SocketException)
                    {
                        return true;
                    }
                });
        }

        public void Dispose()
        {
            _listener.Stop();
            lock (_sockets)
                _sockets.ForEach(socket => socket.Dispose());
        }

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    Socket socket = await _listener.AcceptSocketAsync();
                    lock (_sockets)
                        _sockets.Add(socket);
                }
            }
            catch (Exception error) when (error is SocketException or InvalidOperationException)
            {
                // The end: during a wait, or before the next one.
            }
        }
    }
}
