using System.Collections.Concurrent;

namespace SafeAmqp.IntegrationTests.Security;

public sealed class CredentialTests(TestBroker broker) : FeatureTest(broker)
{
    private readonly string _user = $"user-{Guid.NewGuid():N}"[..16];
    private bool _added;

    private async Task AddUserAsync(string password)
    {
        await Broker.Node.AddUserAsync(_user, password, Cancelled);
        _added = true;
        await Broker.Node.SetPermissionsAsync(_user, ".*", ".*", ".*", Cancelled);
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (_added)
            await Broker.Node.DeleteUserAsync(_user);
    }

    [Theory, MemberData(nameof(Layouts))]
    [Trait("Broker", "3.10")]
    public async Task Credentials_are_asked_for_anew_for_each_connection_so_that_a_rotated_password_is_picked_up(
        AmqpConnectionLayout layout)
    {
        await AddUserAsync("first");
        string password = "first";
        var asked = new ConcurrentQueue<string>();
        AmqpClient amqp = await ConnectAsync(layout, options => options.Credentials = _ =>
        {
            asked.Enqueue(password);
            return ValueTask.FromResult(new AmqpCredentials(_user, password));
        });
        int links = layout == AmqpConnectionLayout.Shared ? 1 : 2;
        Assert.Equal(Enumerable.Repeat("first", links), asked);
        string queue = await NewQueueAsync(amqp);
        await Broker.Node.ChangePasswordAsync(_user, "second", Cancelled);
        password = "second";
        await PublishAsync(amqp, queue, "still connected");
        int[] epochs = [.. amqp.Status.Links.Select(link => link.Epoch)];
        foreach (string link in amqp.Status.Links.Select(link => link.Name).ToArray())
            await KillAsync(link);
        await UntilAsync(
            () => amqp.Status.Links.Select((link, i) => link.Epoch > epochs[i] && link.State == AmqpLinkState.Open)
                .All(back => back));
        Assert.Contains("second", asked);
        Assert.All(await ConnectionsAsync(), connection => Assert.Equal(_user, connection.User));
        await PublishAsync(amqp, queue, "connected again");
    }

    [Fact]
    public async Task What_a_provider_registers_on_its_token_harms_no_disposal()
    {
        await AddUserAsync("secret");
        AmqpClient amqp = await ConnectAsync(options => options.Credentials = token =>
        {
            token.Register(() => throw new InvalidOperationException("It is not there any more."));
            return ValueTask.FromResult(new AmqpCredentials(_user, "secret"));
        });
        await InTime(amqp.DisposeAsync());
        await UntilAsync(async () => await ConnectionsAsync(), connections => connections.Count == 0);
    }

    [Fact]
    public async Task A_changed_password_keeps_the_client_out_until_its_credentials_are_right_and_the_status_says_why()
    {
        await AddUserAsync("first");
        string password = "first";
        AmqpClient amqp = await ConnectAsync(options =>
        {
            options.RefusedReconnectDelay = TimeSpan.FromSeconds(1);
            options.Credentials = _ => ValueTask.FromResult(new AmqpCredentials(_user, Volatile.Read(ref password)));
        });
        await Broker.Node.ChangePasswordAsync(_user, "second", Cancelled);
        await KillAsync("send");
        await UntilAsync(() => amqp.Status.Links[0].LastError?.Contains("403", StringComparison.Ordinal) == true
            && amqp.Status.Links[0].State == AmqpLinkState.Waiting);
        Assert.False(amqp.Status.IsReady);
        Assert.Equal(AmqpLinkState.Open, amqp.Status.Links[1].State); // a changed password leaves connections open
        Volatile.Write(ref password, "second");
        await UntilAsync(() => amqp.Status.Links[0].State == AmqpLinkState.Open);
        await NewQueueAsync(amqp);
    }

    [Fact]
    [Trait("Broker", "3.10")]
    public async Task A_secret_that_expires_is_renewed_on_its_connection_and_the_broker_takes_it()
    {
        await AddUserAsync("right");
        var lines = new CapturedLines();
        AmqpClient amqp = await ConnectAsync(options =>
        {
            options.LoggerFactory = lines;
            options.Credentials = _ => ValueTask.FromResult(
                new AmqpCredentials(_user, "right") { ValidFor = TimeSpan.FromSeconds(1) });
        });
        string queue = await NewQueueAsync(amqp);
        await UntilAsync(() =>
            lines.Lines.Count(line => line.Contains("gave the broker a new secret", StringComparison.Ordinal)) >= 4);
        await PublishAsync(amqp, queue, "still here");
        Assert.All(amqp.Status.Links, link => Assert.Equal((1, AmqpLinkState.Open), (link.Epoch, link.State)));
    }

    [Fact]
    public async Task Refused_credentials_are_told_apart_from_a_broker_that_is_not_there()
    {
        await AddUserAsync("right");
        string refused = new UriBuilder(Broker.Uri) { UserName = _user, Password = "wrong" }.Uri.ToString();
        var error = await Assert.ThrowsAsync<AmqpConnectException>(() => InTime(AmqpClient.ConnectAsync(
            new AmqpClientOptions { Uri = refused, FirstConnect = AmqpFirstConnect.FailFast }, Cancelled)));
        Assert.Equal((true, 403), (error.IsRefused, error.ReplyCode));
        string noVirtualHost = $"{Broker.Uri}missing";
        error = await Assert.ThrowsAsync<AmqpConnectException>(() => InTime(AmqpClient.ConnectAsync(
            new AmqpClientOptions { Uri = noVirtualHost, FirstConnect = AmqpFirstConnect.FailFast }, Cancelled)));
        Assert.Equal((true, 530), (error.IsRefused, error.ReplyCode));
        error = await Assert.ThrowsAsync<AmqpConnectException>(() => InTime(AmqpClient.ConnectAsync(
            new AmqpClientOptions { Uri = "amqp://guest:guest@127.0.0.1:1/", FirstConnect = AmqpFirstConnect.FailFast },
            Cancelled)));
        Assert.Equal((false, null), (error.IsRefused, error.ReplyCode));
    }

    [Fact]
    public async Task Refused_credentials_are_not_tried_again_before_their_own_delay()
    {
        int asked = 0;
        AmqpClient amqp = NewClient(options =>
        {
            options.FirstConnect = AmqpFirstConnect.FailFast;
            options.ReconnectDelay = TimeSpan.FromMilliseconds(1);
            options.Credentials = _ =>
            {
                Interlocked.Increment(ref asked);
                return ValueTask.FromResult(new AmqpCredentials(_user, "wrong"));
            };
        });
        await Assert.ThrowsAsync<AmqpConnectException>(() => InTime(amqp.OpenAsync(Cancelled)));
        await UntilAsync(() => amqp.Status.Links.All(link => link.State == AmqpLinkState.Waiting));
        Assert.All(amqp.Status.Links, link => Assert.True(link.NextAttemptIn > TimeSpan.FromSeconds(10)));
        Assert.Equal(2, asked); // once per link
    }

    [Fact]
    public async Task A_provider_that_fails_or_hangs_is_asked_again_and_what_it_said_is_not_shown()
    {
        int asked = 0;
        var lines = new CapturedLines();
        AmqpClient amqp = NewClient(options =>
        {
            options.LoggerFactory = lines;
            options.ReconnectDelay = TimeSpan.FromMilliseconds(10);
            options.ConnectTimeout = TimeSpan.FromMilliseconds(300);
            options.Credentials = async cancellationToken =>
            {
                int time = Interlocked.Increment(ref asked);
                if (time <= 2)
                    throw new InvalidOperationException("vault answered: token=canary-in-message");
                if (time <= 4)
                    await Task.Delay(Limit, cancellationToken);
                return new AmqpCredentials("guest", "guest");
            };
        });
        await InTime(amqp.OpenAsync(Cancelled));
        Assert.True(asked > 4);
        Assert.Contains(lines.Lines, line =>
            line.Contains("credentials could not be had (InvalidOperationException)", StringComparison.Ordinal));
        Assert.DoesNotContain(lines.Lines, line => line.Contains("canary-in-message", StringComparison.Ordinal));
    }
}
