using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using SafeAmqp.Testing;

namespace SafeAmqp.FaultTests.Broker;

// What goes wrong in the first hour is told at once, by its cause.
public sealed class FirstHourTests : FaultCase
{
    public static TheoryData<string, string> Peers => new()
    {
        { "AMQP\0\u0001\0\0", "speaks AMQP 1.0; this client speaks AMQP 0-9-1" },
        { "AMQP\u0003\u0001\0\0", "speaks AMQP 1.0; this client speaks AMQP 0-9-1" },
        { "HTTP/1.1 400 Bad Request\r\n\r\n", "is a web server" },
        { "SSH-2.0-OpenSSH_9.2\r\n", "is an SSH server" },
        { "\u0015\u0003\u0003\0\u0002\u0002\u0046", "speaks TLS on this port: use amqps://" },
        { "\u0016\u0003\u0001\0\u0005", "speaks TLS on this port: use amqps://" },
        { "\0\0\0\u0010", "sent bytes that are no AMQP" },
        { "220 mail ESMTP\r\n", "sent text that is no AMQP" },
        { "-ERR unknown command\r\n", "sent text that is no AMQP" },
        { "", "closed the connection without a word" },
    };

    [Theory]
    [MemberData(nameof(Peers))]
    public async Task A_peer_that_is_no_broker_is_told_by_its_first_bytes(string sends, string says)
    {
        using var peer = new Peer(sends);
        long start = TimeProvider.System.GetTimestamp();
        var error = Assert.IsType<AmqpConnectException>(await EndOf(ConnectAsync($"amqp://127.0.0.1:{peer.Port}")));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("time-out", error.Message, StringComparison.OrdinalIgnoreCase);
        Assert.False(error.IsRefused);
        Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(8), "It was waited for.");
    }

    [Fact]
    public async Task A_plain_broker_behind_amqps_is_told()
    {
        AmqpTestBroker broker = await BrokerAsync();
        var error = Assert.IsType<AmqpConnectException>(await EndOf(ConnectAsync($"amqps://127.0.0.1:{broker.Port}")));
        Assert.Contains("does not speak TLS on this port", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_TLS_server_behind_amqp_is_told()
    {
        using var peer = new Peer(null);
        var error = Assert.IsType<AmqpConnectException>(await EndOf(ConnectAsync($"amqp://127.0.0.1:{peer.Port}")));
        Assert.Contains("amqps://", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("amqp://guest:wrong@127.0.0.1:{0}", true, "loopback_users")]
    [InlineData("amqp://somebody:wrong@127.0.0.1:{0}", true, "403")]
    [InlineData("amqp://127.0.0.1:{0}/nowhere", true, "530")]
    [InlineData("amqp://127.0.0.1:1", false, "refused")]
    public async Task ConnectAsync_fails_fast_with_what_the_broker_or_the_network_said(
        string uri, bool isRefused, string says)
    {
        AmqpTestBroker broker = await BrokerAsync();
        uri = uri.Replace("{0}", $"{broker.Port}", StringComparison.Ordinal);
        var error = Assert.IsType<AmqpConnectException>(await EndOf(ConnectAsync(uri)));
        Assert.Equal(isRefused, error.IsRefused);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.Equal(says == "loopback_users", error.Message.Contains("loopback_users", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Silent_hosts_are_given_up_within_one_time_out_over_all_of_them()
    {
        using Peer one = new("silent"), two = new("silent"), three = new("silent");
        long start = TimeProvider.System.GetTimestamp();
        Exception? error = await EndOf(new ValueTask(AmqpClient.ConnectAsync(new AmqpClientOptions
        {
            Uri = $"amqp://127.0.0.1:{one.Port}",
            Hosts = [$"127.0.0.1:{two.Port}", $"127.0.0.1:{three.Port}"],
            ConnectTimeout = TimeSpan.FromSeconds(3),
        }, Cancelled)));
        Assert.IsType<AmqpConnectException>(error);
        // One for each of them would be 9
        Assert.InRange(TimeProvider.System.GetElapsedTime(start), TimeSpan.FromSeconds(2.5), TimeSpan.FromSeconds(8));
        Assert.All((Peer[])[one, two, three], peer => Assert.True(peer.Accepted > 0));
    }

    [Fact]
    public async Task A_wait_that_its_token_ends_says_why_it_waited()
    {
        AmqpClient client = NewClient("amqp://127.0.0.1:1");
        using var cancel = new CancellationTokenSource();
        Task open = client.OpenAsync(cancel.Token);
        Task declare = client.DeclareAsync(new AmqpTopology().Queue("q"), cancel.Token);
        Task publish = client.PublishAsync(AmqpMessage.ToQueue("q", []), cancel.Token).AsTask();
        Task serve = client.ServeManyAsync("q", (_, _) => throw new NotSupportedException(), null, cancel.Token);
        Task call = client.CallManyAsync(AmqpMessage.ToQueue("q", []), null, cancel.Token)
            .GetAsyncEnumerator(CancellationToken.None).MoveNextAsync().AsTask();
        // The error as exceptions carry it, which comes after its text
        await UntilAsync(() => client.Status.Links.All(link => link.LastEnd is not null));
        await cancel.CancelAsync();
        foreach (Task wait in (Task[])[open, declare, publish, serve, call])
        {
            var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait.WaitAsync(Limit, Cancelled));
            Assert.Contains("refused", error.Message, StringComparison.Ordinal);
            Assert.IsType<AmqpConnectException>(error.InnerException);
            Assert.Equal(cancel.Token, error.CancellationToken);
        }
    }

    [Fact]
    public async Task A_connection_without_a_channel_left_says_so_at_once_and_keeps_publishing_and_calling()
    {
        var broker = Own(new ScriptedBroker { ChannelMax = 5 });
        AmqpClient client = NewClient(broker.Uri);
        for (int i = 0; i < 4; i++)
            await client.ConsumeAsync($"q{i}", (_, _) => new(AmqpSettlement.Ack), cancellationToken: Cancelled);
        long start = TimeProvider.System.GetTimestamp();
        var error = Assert.IsType<AmqpTopologyException>(await EndOf(new ValueTask(
            client.ConsumeAsync("one too many", (_, _) => new(AmqpSettlement.Ack), cancellationToken: Cancelled))));
        Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(5), "It was waited for.");
        Assert.Contains(
            "the connection has no channel left: channel_max 5, 4 consumers", error.Message, StringComparison.Ordinal);
        Task<AmqpSubscription> ServeAsync()
            => client.ServeAsync("q", (_, _) => new(AmqpMessage.ToQueue("r", [])), cancellationToken: Cancelled);
        await ServeAsync(); // on the other link
        foreach (Task one in (Task[])[client.Admin.GetAsync("q", Cancelled), ServeAsync()])
        {
            var refused = Assert.IsType<AmqpTopologyException>(await EndOf(new ValueTask(one)));
            Assert.Contains("has no channel left: channel_max 5", refused.Message, StringComparison.Ordinal);
        }
        await client.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);

        AmqpClient shared = NewClient(broker.Uri, options => options.Layout = AmqpConnectionLayout.Shared);
        await shared.ConsumeAsync("q", (_, _) => new(AmqpSettlement.Ack), cancellationToken: Cancelled);
        Assert.IsType<AmqpTopologyException>(await EndOf(new ValueTask(
            shared.ConsumeAsync("r", (_, _) => new(AmqpSettlement.Ack), cancellationToken: Cancelled))));
        foreach (AmqpReplyAddress address in (AmqpReplyAddress[])[AmqpReplyAddress.Exclusive, AmqpReplyAddress.Direct])
        {
            Exception? end = await EndOf(new ValueTask(shared.CallAsync(AmqpMessage.ToQueue("q", []),
                new AmqpCallOptions { Timeout = TimeSpan.FromSeconds(2), ReplyTo = address }, Cancelled).AsTask()));
            Assert.Equal(AmqpOutcome.Confirmed, Assert.IsType<AmqpNoReplyException>(end).Outcome); // it found a channel
        }
    }

    private static ValueTask ConnectAsync(string uri) => new(AmqpClient.ConnectAsync(uri, Cancelled));

    /// <summary>
    /// A server that says one thing, or nothing, and closes; one that stays silent; or, for null, one of TLS.
    /// </summary>
    private sealed class Peer : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly string? _sends;
        private readonly X509Certificate2? _certificate;
        private int _accepted;

        internal Peer(string? sends)
        {
            _sends = sends;
            if (sends is null)
            {
                using var key = RSA.Create(2048);
                var request = new CertificateRequest(
                    "CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
                _certificate = request.CreateSelfSigned(
                    DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
            }
            _listener.Start();
            _ = ServeAsync();
        }

        internal int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        internal int Accepted => Volatile.Read(ref _accepted);

        public void Dispose()
        {
            _listener.Dispose();
            _certificate?.Dispose();
        }

        private async Task ServeAsync()
        {
            try
            {
                while (true)
                    _ = AnswerAsync(await _listener.AcceptTcpClientAsync());
            }
            catch (Exception error)
                when (error is SocketException or ObjectDisposedException or InvalidOperationException)
            {
                // The end.
            }
        }

        private async Task AnswerAsync(TcpClient client)
        {
            Interlocked.Increment(ref _accepted);
            using (client)
            {
                try
                {
                    NetworkStream stream = client.GetStream();
                    if (_certificate is not null)
                    {
                        using var ssl = new SslStream(stream);
                        await ssl.AuthenticateAsServerAsync(_certificate);
                    }
                    await stream.ReadAtLeastAsync(new byte[8], 8); // what a client begins with
                    if (_sends == "silent")
                        await stream.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false);
                    else
                        await stream.WriteAsync(System.Text.Encoding.Latin1.GetBytes(_sends ?? ""));
                    client.Client.Shutdown(SocketShutdown.Send);
                    await stream.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false);
                }
                catch (Exception error) when (error is IOException or SocketException or ObjectDisposedException
                    or CryptographicException or System.Security.Authentication.AuthenticationException)
                {
                    // The client is gone, or is none of TLS; or the test is over, and the certificate with it.
                }
            }
        }
    }
}
