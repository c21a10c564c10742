using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace SafeAmqp.IntegrationTests.Security;

// A password is planted, everything is made to fail, and then it is looked for everywhere.
public sealed class CanaryTests(TestBroker broker) : FeatureTest(broker)
{
    private const string Canary = "c4n4ry:9@%/w0rd";
    private static readonly JsonSerializerOptions Lenient = new()
    {
        ReferenceHandler = System.Text.Json.Serialization.ReferenceHandler.IgnoreCycles
    };
    private readonly CapturedLines _lines = new();
    private readonly List<string> _sinks = [];

    private static string Escaped => Uri.EscapeDataString(Canary);

    private void Look(object? what)
    {
        if (what?.ToString() is not { } text)
            return;
        lock (_sinks) // listeners add to it from other threads
            _sinks.Add(text);
    }

    private void AssertNothingFound(int least)
    {
        string[] all;
        lock (_sinks)
            all = [.. _sinks, .. _lines.Lines];
        Assert.True(_sinks.Count >= least); // something was looked at
        // Also its parts, should something cut it up at a colon, an at sign or a slash.
        foreach (string part in (string[])[Canary, Escaped, "c4n4ry", "w0rd"])
            Assert.All(all, text => Assert.DoesNotContain(part, text, StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void A_malformed_URI_shows_no_password()
    {
        string[] uris =
        [
            $"amqp://user:{Escaped}@", $"amqp://user:{Escaped}@:5672", $"amqp://user:{Escaped}@host:99999/",
            $"amqp://user:{Escaped}@host:port/", $"http://user:{Escaped}@localhost/",
            $"user:{Escaped}@localhost", $"//user:{Escaped}@localhost", $"amqp:user:{Escaped}@localhost",
            $"amqp://user:{Escaped}@localhost/a/b", $"amqp://user:{Escaped}@localhost/?password={Escaped}",
            $"amqp://user:{Escaped}@localhost/#{Escaped}", $"amqp://user:{Canary}@localhost/",
            $"amqp://user:{Escaped}@ho st/", $"amqp://user:{Escaped}@[::1/", $"amqp://user:{Escaped}@broker.example/",
            $"amqps://guest:{Escaped}@broker.example/", $" {Escaped}", $"amqp://:{Escaped}@localhost:-1/",
            $"amqp://user:{Escaped}@localhost/%zz/%", $"amqp://{Escaped}@localhost@evil/",
        ];
        int failed = 0;
        foreach (string uri in uris)
        {
            var options = new AmqpClientOptions { Uri = uri, LoggerFactory = _lines };
            Look(options);
            try
            {
                var client = new AmqpClient(options);
                Look(client.Status);
                Look(client);
            }
            catch (ArgumentException error)
            {
                failed++;
                Look(error);
            }
        }
        foreach (string host in (string[])[$"user:{Escaped}@localhost", $"{Escaped}:x", $"localhost/{Escaped}"])
            Look(Assert.ThrowsAny<ArgumentException>(
                () => new AmqpClient(new AmqpClientOptions { Uri = "amqp://user:p@localhost", Hosts = [host] })));
        Assert.InRange(failed, 12, uris.Length);
        AssertNothingFound(uris.Length);
    }

    [Fact]
    public void Options_and_credentials_show_no_password_as_text_or_as_JSON()
    {
        foreach (AmqpClientOptions options in (AmqpClientOptions[])
                 [
                     new() { UserName = "user", Password = Canary, Hosts = ["localhost"] },
                     new() { Uri = $"amqp://user:{Escaped}@localhost/" }])
        {
            Look(options);
            string json = JsonSerializer.Serialize(options, Lenient);
            Assert.Contains("Heartbeat", json, StringComparison.Ordinal); // it was written
            Look(json);
        }
        Look(new AmqpCredentials("user", Canary));
        Look(JsonSerializer.Serialize(new AmqpCredentials("user", Canary)));
        AssertNothingFound(6);
    }

    [Theory, InlineData("uri"), InlineData("options"), InlineData("callback")]
    public async Task Connections_that_fail_in_every_way_show_no_password(string where)
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0); // accepts in the kernel, and never says a word
        silent.Start();
        using var rude = new TcpListener(IPAddress.Loopback, 0);
        rude.Start();
        Task answering = AnswerAsync(rude);
        int[] ports = [
            1, ((IPEndPoint)silent.LocalEndpoint).Port, ((IPEndPoint)rude.LocalEndpoint).Port, Broker.Node.Port];
        bool sawRefused = false;
        foreach (int port in ports)
        {
            foreach (string scheme in (string[])["amqp", "amqps"])
            {
                var options = new AmqpClientOptions
                {
                    Uri = where == "uri"
                        ? $"{scheme}://user:{Escaped}@127.0.0.1:{port}/"
                        : $"{scheme}://127.0.0.1:{port}/",
                    UserName = where == "options" ? "user" : null,
                    Password = where == "options" ? Canary : null,
                    Credentials = where == "callback"
                        ? _ => ValueTask.FromResult(new AmqpCredentials("user", Canary))
                        : null,
                    FirstConnect = AmqpFirstConnect.FailFast,
                    // the broker answers, and is to have its say also on a busy machine
                    ConnectTimeout = port == Broker.Node.Port ? Limit : TimeSpan.FromMilliseconds(700),
                    LoggerFactory = _lines,
                    ShutdownTimeout = TimeSpan.FromMilliseconds(200),
                };
                await using var amqp = new AmqpClient(options);
                var error = await Assert.ThrowsAsync<AmqpConnectException>(() => InTime(amqp.OpenAsync(Cancelled)));
                sawRefused |= error.IsRefused;
                Look(error);
                Look(error.Status);
                Look(error.ReplyText);
                Look(error.Data.Count);
                Look(amqp.Status);
                Look(amqp);
                Look(options);
                using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(20));
                try
                {
                    await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), cancel.Token);
                }
                catch (OperationCanceledException cancelled)
                {
                    Look(cancelled);
                }
                await amqp.DisposeAsync();
                Look(await Assert.ThrowsAsync<ObjectDisposedException>(
                    async () => await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled)));
            }
        }
        rude.Stop();
        await answering;
        Assert.True(sawRefused); // the password got as far as the broker
        Assert.Contains(_lines.Lines, line => line.Contains("from Connecting to Waiting", StringComparison.Ordinal)
            || line.Contains("Connecting", StringComparison.Ordinal));
        AssertNothingFound(8 * 7);
    }

    [Fact]
    public async Task A_client_that_works_and_is_cut_off_shows_no_password()
    {
        string user = $"canary-{Guid.NewGuid():N}"[..16];
        await Broker.Node.AddUserAsync(user, Canary, Cancelled);
        await Broker.Node.SetPermissionsAsync(user, ".*", ".*", ".*", Cancelled);
        using var activities = new System.Diagnostics.ActivityListener
        {
            ShouldListenTo = _ => true,
            Sample = (ref _) => System.Diagnostics.ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity =>
            {
                lock (_sinks)
                    _sinks.Add($"{activity.DisplayName} {string.Join(' ', activity.TagObjects)} "
                        + $"{activity.StatusDescription} {string.Join(' ', activity.Events.SelectMany(e => e.Tags))} "
                        + $"{string.Join(' ', activity.Baggage)} "
                        + $"{string.Join(' ', activity.Links.SelectMany(link => link.Tags ?? []))}");
            },
        };
        System.Diagnostics.ActivitySource.AddActivityListener(activities);
        using var meters = new System.Diagnostics.Metrics.MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == AmqpTelemetry.MeterName)
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        int measured = 0;
        meters.SetMeasurementEventCallback<long>((instrument, _, tags, _) => Hear(instrument, tags));
        meters.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Hear(instrument, tags));
        meters.Start();
        void Hear(System.Diagnostics.Metrics.Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            string text = $"{instrument.Meter.Name} {instrument.Name} {string.Join(' ', tags.ToArray())}";
            lock (_sinks)
                _sinks.Add(text);
            Interlocked.Increment(ref measured);
        }
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options =>
        {
            options.Uri = new Uri(relay.Uri) is var uri ? $"amqp://{user}:{Escaped}@127.0.0.1:{uri.Port}/" : null;
            options.LoggerFactory = _lines;
            options.RefusedReconnectDelay = TimeSpan.FromSeconds(1);
        });
        string queue = await NewQueueAsync(amqp);
        await amqp.ServeAsync(
            queue, (_, _) => throw new InvalidOperationException("fault"), cancellationToken: Cancelled);
        // Headers and bodies may hold secrets of the application: they are in nothing that is shown, either.
        var secret = new Dictionary<string, object?> { ["authorization"] = $"Bearer {Canary}", [Canary] = "x" };
        AmqpMessage sent =
            AmqpMessage.ToQueue(queue, System.Text.Encoding.UTF8.GetBytes(Canary)) with { Headers = secret };
        Look(await Assert.ThrowsAsync<AmqpRemoteException>(
            async () => await amqp.CallAsync(sent, cancellationToken: Cancelled)));
        Look(await Assert.ThrowsAsync<AmqpReturnedException>(
            async () => await amqp.PublishAsync(sent with { RoutingKey = "nowhere" }, Cancelled)));
        Look((await amqp.PublishAllAsync([sent with { RoutingKey = "nowhere" }], Cancelled))[0].Error);
        meters.RecordObservableInstruments();
        Look(await Assert.ThrowsAsync<AmqpTopologyException>(async () => await amqp.DeclareAsync(
            new AmqpTopology().With(new AmqpQueue { Name = queue, Durable = false }), Cancelled)));
        Look(amqp.Status);
        await Broker.Node.DeleteUserAsync(user, Cancelled); // closes its connections, and refuses them from now on
        await UntilAsync(() => amqp.Status.Links.All(link =>
            link.LastError?.Contains("403", StringComparison.Ordinal) == true && link.State == AmqpLinkState.Waiting));
        Look(amqp.Status);
        Look(await Assert.ThrowsAsync<AmqpNotSentException>(async () =>
            await amqp.CallAsync(
                AmqpMessage.ToQueue(queue, []),
                new AmqpCallOptions { Timeout = TimeSpan.FromMilliseconds(50) },
                Cancelled)));
        meters.RecordObservableInstruments();
        await amqp.DisposeAsync();
        Assert.True(measured > 20);
        lock (_sinks)
            Assert.Contains(_sinks, text => text.StartsWith("call ", StringComparison.Ordinal)); // a span of ours
        AssertNothingFound(7);
    }

    [Fact]
    public async Task A_credentials_callback_that_fails_with_a_secret_in_its_message_shows_only_its_type()
    {
        await using var amqp = new AmqpClient(new AmqpClientOptions
        {
            Uri = Broker.Uri,
            Credentials = _ => throw new InvalidOperationException($"vault said {Canary}", new FormatException(Canary)),
            FirstConnect = AmqpFirstConnect.FailFast,
            LoggerFactory = _lines,
        });
        var error = await Assert.ThrowsAsync<AmqpConnectException>(() => InTime(amqp.OpenAsync(Cancelled)));
        Assert.Contains("InvalidOperationException", error.Message, StringComparison.Ordinal);
        Look(error);
        Look(amqp.Status);
        AssertNothingFound(2);
    }

    private static async Task AnswerAsync(TcpListener listener)
    {
        try
        {
            while (true)
            {
                using TcpClient client = await listener.AcceptTcpClientAsync();
                byte[] greeting = new byte[4096];
                _ = await client.GetStream().ReadAsync(greeting);
                await client.GetStream().WriteAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray());
            }
        }
        catch (Exception error) when (error is SocketException or InvalidOperationException or IOException)
        {
            // Stopped: during a wait, or before the next one.
        }
    }
}
