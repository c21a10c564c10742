using RabbitMQ.Client.Events;

namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>
/// What clients see of users, permissions and an administrator's hand; played against both brokers like all other
/// cases.
/// </summary>
public sealed class AdministeredCases(BrokerPairs brokers)
{
    private static readonly Dictionary<string, Func<Stage, Administration, Task>> All = new()
    {
        ["a user without permissions"] = async (s, admin) =>
        {
            string user = await UserAsync(s, admin);
            await s.TryAsync(() => ConnectAsync(s, user));
        },
        ["permissions by name: configure, write, read"] = async (s, admin) =>
        {
            string user = await UserAsync(s, admin);
            await admin.PermitAsync(user, "^(T|t.*\\.(mine|q))$", "^(t.*\\.mine|amq\\.default)$", "^t.*\\.(mine|x)$");
            await using IConnection c = await ConnectAsync(s, user);
            await AttemptAsync(s, c, channel => channel.QueueDeclareAsync(s.Name("mine"), false, false, true));
            await AttemptAsync(s, c, channel => channel.QueueDeclareAsync(s.Name("theirs"), false, false, true));
            await AttemptAsync(s, c, channel => channel.ExchangeDeclareAsync(s.Name("theirs"), "direct"));
            await AttemptAsync(s, c, channel => channel.BasicGetAsync(s.Name("theirs"), true));
            await AttemptAsync(s, c, channel =>
                channel.BasicConsumeAsync(s.Name("theirs"), true, new AsyncEventingBasicConsumer(channel)));
            await AttemptAsync(s, c, channel => channel.QueuePurgeAsync(s.Name("theirs")));
            await AttemptAsync(s, c, channel => channel.QueueBindAsync(s.Name("theirs"), "amq.direct", "k"));
            await AttemptAsync(s, c, channel => channel.QueueBindAsync(s.Name("mine"), "amq.direct", "k"));
            await AttemptAsync(s, c, channel => channel.QueueDeleteAsync(s.Name("theirs")));
            await AttemptAsync(s, c, channel => PublishedAsync(channel, "amq.direct", "k"));
            await AttemptAsync(s, c, channel => PublishedAsync(channel, "", s.Name("mine")));
        },
        ["the rights that dead letters and alternate exchanges need"] = async (s, admin) =>
        {
            string user = await UserAsync(s, admin);
            (string, string)[] rights = [("^$", "^$"), ("^$", "^t.*"), ("^t.*", "^$"), ("^t.*", "^t.*")];
            Dictionary<string, object?> dead = ArgumentCases.Table("x-dead-letter-exchange", s.X);
            Dictionary<string, object?> alternate = ArgumentCases.Table("alternate-exchange", s.X);
            foreach ((string write, string read) in rights)
            {
                await admin.PermitAsync(user, ".*", write, read);
                await using IConnection c = await ConnectAsync(s, user);
                await AttemptAsync(s, c, channel => channel.QueueDeclareAsync(s.Q, false, true, true, dead));
                await AttemptAsync(s, c, channel =>
                    channel.ExchangeDeclareAsync(s.Name("other"), "direct", autoDelete: true, arguments: alternate));
            }
        },
        ["the rights on dead letters of a queue that is there"] = async (s, admin) =>
        {
            string user = await UserAsync(s, admin);
            await admin.PermitAsync(user, ".*", "^$", ".*");
            Dictionary<string, object?> dead = ArgumentCases.Table("x-dead-letter-exchange", s.X);
            await s.DeclareAsync(s.Name("dead"), dead);
            await s.DeclareAsync();
            await using IConnection c = await ConnectAsync(s, user);
            await AttemptAsync(s, c, channel => channel.QueueDeclareAsync(s.Name("dead"), false, false, false, dead));
            await AttemptAsync(s, c, channel => channel.QueueDeclareAsync(s.Q, false, false, false, dead));
            await AttemptAsync(s, c, channel => channel.QueueDeclarePassiveAsync(s.Name("dead")));
        },
        ["the rights on the alternate exchange of an exchange that is there"] = async (s, admin) =>
        {
            string user = await UserAsync(s, admin);
            await admin.PermitAsync(user, ".*", "^$", "^$");
            Dictionary<string, object?> alternate = ArgumentCases.Table("alternate-exchange", s.X);
            Dictionary<string, object?> noText = ArgumentCases.Table("alternate-exchange", true);
            await s.Channel.ExchangeDeclareAsync(s.Name("there"), "direct", false, true, alternate);
            await using IConnection c = await ConnectAsync(s, user);
            foreach (Dictionary<string, object?> arguments in (Dictionary<string, object?>[])[alternate, noText])
                await AttemptAsync(s, c, channel =>
                    channel.ExchangeDeclareAsync(s.Name("there"), "direct", false, true, arguments));
        },
        ["the rights on the default exchange as the one for dead letters"] = async (s, admin) =>
        {
            string user = await UserAsync(s, admin);
            Dictionary<string, object?> dead = ArgumentCases.Table("x-dead-letter-exchange", "");
            foreach (string write in (string[])["^$", "^amq\\.default$"])
            {
                await admin.PermitAsync(user, ".*", write, ".*");
                await using IConnection c = await ConnectAsync(s, user);
                await AttemptAsync(s, c, channel => channel.QueueDeclareAsync(s.Q, false, true, true, dead));
            }
        },
        ["an exchange for dead letters that is no text"] = async (s, admin) =>
        {
            string user = await UserAsync(s, admin);
            await admin.PermitAsync(user, ".*", "^$", "^$");
            await using IConnection c = await ConnectAsync(s, user);
            await AttemptAsync(s, c, channel => channel.QueueDeclareAsync(
                s.Q, false, true, true, ArgumentCases.Table("x-dead-letter-exchange", 5)));
            await AttemptAsync(s, c, channel => channel.ExchangeDeclareAsync(
                s.X, "direct", autoDelete: true, arguments: ArgumentCases.Table("alternate-exchange", true)));
        },
        ["an empty pattern lets nothing through"] = async (s, admin) =>
        {
            string user = await UserAsync(s, admin);
            await admin.PermitAsync(user, "", "", "");
            await using IConnection c = await ConnectAsync(s, user);
            await AttemptAsync(s, c, channel => channel.QueueDeclareAsync(s.Q, false, false, true));
            await AttemptAsync(s, c, channel => channel.QueueDeclarePassiveAsync(s.Q));
        },
        ["patterns that look around or take for ever"] = async (s, admin) =>
        {
            string user = await UserAsync(s, admin);
            await admin.PermitAsync(user, "^(?!amq\\.).*", "^(?!x)(a+)+$", "(?<=q)$");
            await using IConnection c = await ConnectAsync(s, user);
            await AttemptAsync(s, c, channel => channel.QueueDeclareAsync(s.Q, false, true, false));
            await AttemptAsync(s, c, channel => channel.QueueDeclarePassiveAsync(s.Q));
            await AttemptAsync(s, c, channel => channel.BasicGetAsync(s.Q, true));
            await AttemptAsync(s, c, channel => channel.BasicGetAsync(s.Name("other"), true));
            await AttemptAsync(s, c, channel => PublishedAsync(channel, new string('a', 40) + "!", "k"));
            await admin.PermitTopicsAsync(user, "amq.topic", "^(?!secret)", "^(a+)+\\b(?!b)$");
            await admin.PermitAsync(user, ".*", ".*", ".*");
            await using IConnection later = await ConnectAsync(s, user);
            await AttemptAsync(s, later, channel => PublishedAsync(channel, "amq.topic", "open"));
            await AttemptAsync(s, later, channel => PublishedAsync(channel, "amq.topic", "secret"));
        },
        ["a topic that may not be written"] = async (s, admin) =>
        {
            string user = await UserAsync(s, admin, permitted: true);
            await s.Channel.ExchangeDeclareAsync(s.X, "topic");
            await s.Channel.ExchangeDeclareAsync(s.Name("other"), "topic");
            await admin.PermitTopicsAsync(user, s.X, "^a\\.", "^b\\.");
            await using IConnection c = await ConnectAsync(s, user);
            await AttemptAsync(s, c, channel => PublishedAsync(channel, s.X, "a.1"));
            await AttemptAsync(s, c, channel => PublishedAsync(channel, s.X, "b.1"));
            await AttemptAsync(s, c, channel => PublishedAsync(channel, s.Name("other"), "b.1"));
            await AttemptAsync(s, c, channel => PublishedAsync(channel, "amq.direct", "b.1"));
            await admin.ClearTopicsAsync(user);
            await using IConnection later = await ConnectAsync(s, user);
            await AttemptAsync(s, later, channel => PublishedAsync(channel, s.X, "b.1"));
        },
        ["a topic that may not be bound to"] = async (s, admin) =>
        {
            string user = await UserAsync(s, admin, permitted: true);
            await s.DeclareAsync();
            await s.Channel.ExchangeDeclareAsync(s.X, "topic");
            await s.Channel.ExchangeDeclareAsync(s.Name("to"), "fanout");
            await admin.PermitTopicsAsync(user, s.X, "^a\\.", "^b\\.");
            await using IConnection c = await ConnectAsync(s, user);
            await AttemptAsync(s, c, channel => channel.QueueBindAsync(s.Q, s.X, "b.#"));
            await AttemptAsync(s, c, channel => channel.QueueBindAsync(s.Q, s.X, "a.#"));
            await AttemptAsync(s, c, channel => channel.QueueUnbindAsync(s.Q, s.X, "a.#"));
            await AttemptAsync(s, c, channel => channel.ExchangeBindAsync(s.Name("to"), s.X, "a.#"));
            await AttemptAsync(s, c, channel => channel.ExchangeBindAsync(s.Name("to"), s.X, "b.#"));
        },
        ["topics with the user's name in the pattern"] = async (s, admin) =>
        {
            string user = await UserAsync(s, admin, permitted: true);
            await s.Channel.ExchangeDeclareAsync(s.X, "topic");
            await admin.PermitTopicsAsync(user, s.X, "^{username}\\.{vhost}$", ".*");
            await using IConnection c = await ConnectAsync(s, user);
            await AttemptAsync(s, c, channel => PublishedAsync(channel, s.X, $"{user}./"));
            await AttemptAsync(s, c, channel => PublishedAsync(channel, s.X, "somebody./"));
        },
        ["two virtual hosts know nothing of each other"] = async (s, admin) =>
        {
            string user = await UserAsync(s, admin, permitted: true);
            await admin.AddVirtualHostAsync(s.Name("host"));
            await s.DeclareAsync();
            await s.PublishAsync("", s.Q, "in the first");
            await using IConnection c = await s.ConnectAsync(f => f.VirtualHost = s.Name("host"));
            await AttemptAsync(s, c, channel => channel.QueueDeclarePassiveAsync(s.Q));
            await AttemptAsync(s, c, channel => channel.QueueDeclareAsync(s.Q, false, false, false));
            await AttemptAsync(s, c, async channel => s.Note(await channel.MessageCountAsync(s.Q)));
            await AttemptAsync(s, c, channel => channel.ExchangeDeclarePassiveAsync("amq.topic"));
            await s.DrainAsync();
            await s.TryAsync(
                () => s.ConnectAsync(f => (f.VirtualHost, f.UserName, f.Password) = (s.Name("host"), user, "first")));
        },
        ["a password is changed"] = async (s, admin) =>
        {
            string user = await UserAsync(s, admin, permitted: true);
            await using IConnection c = await ConnectAsync(s, user);
            await admin.ChangePasswordAsync(user, "second");
            await AttemptAsync(s, c, channel => channel.QueueDeclareAsync(s.Q, false, false, true));
            await s.TryAsync(() => ConnectAsync(s, user));
            await s.TryAsync(() => s.ConnectAsync(f => (f.UserName, f.Password) = (user, "second")));
        },
        ["a user is removed"] = async (s, admin) =>
        {
            string user = await UserAsync(s, admin, permitted: true);
            IConnection c = await ConnectAsync(s, user);
            await ClosedAsync(s, c, () => admin.RemoveUserAsync(user));
            await s.TryAsync(() => ConnectAsync(s, user));
        },
        ["a connection is closed"] = async (s, admin) =>
        {
            string user = await UserAsync(s, admin, permitted: true);
            IConnection c = await ConnectAsync(s, user);
            await ClosedAsync(s, c, () => admin.CloseConnectionsOfAsync(user, "maintenance"));
        },
        ["a queue is deleted under its consumer"] = async (s, admin) =>
        {
            await s.DeclareAsync();
            await s.PublishAsync("", s.Q, "m");
            Inbox inbox = await s.ConsumeAsync();
            s.Note(await inbox.TextAsync());
            await admin.DeleteQueueAsync(s.Q);
            await inbox.Cancelled;
            await s.TryAsync(c => c.QueueDeclarePassiveAsync(s.Q));
        },
        ["an alarm"] = async (s, admin) =>
        {
            IConnection c = await s.ConnectAsync();
            var blocked = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            var unblocked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            c.ConnectionBlockedAsync += (_, e) => Task.FromResult(blocked.TrySetResult(e.Reason));
            c.ConnectionUnblockedAsync += (_, _) => Task.FromResult(unblocked.TrySetResult());
            IChannel channel = await c.CreateChannelAsync();
            try
            {
                await admin.SetAlarmAsync(true);
                // RabbitMQ tells at the first publish that it reads after the alarm has reached the connection.
                long start = TimeProvider.System.GetTimestamp();
                while (!blocked.Task.IsCompleted && TimeProvider.System.GetElapsedTime(start) < Stage.Limit)
                {
                    await s.PublishAsync("amq.direct", "nowhere", "m", channel: channel);
                    await Task.WhenAny(blocked.Task, Task.Delay(20));
                }
                s.Note(await blocked.Task.WaitAsync(Stage.Limit));
            }
            finally
            {
                await admin.SetAlarmAsync(false);
            }
            await unblocked.Task.WaitAsync(Stage.Limit);
            s.Note("unblocked");
        },
        ["an alarm and a message with a body"] = (s, admin) => PublishInAlarmAsync(s, admin, "m"),
        ["an alarm and a message without a body"] = (s, admin) => PublishInAlarmAsync(s, admin, ""),
    };

    /// <summary>These have other texts in each version.</summary>
    private static readonly string[] TellVersions =
    [
        "permissions by name: configure, write, read", "a topic that may not be written",
        "a topic that may not be bound to", "the rights that dead letters and alternate exchanges need",
    ];

    public static TheoryData<string, RabbitMqVersion> Names => new(All.Keys
        .Select(name => (name, RabbitMqVersion.RabbitMq40))
        .Concat(TellVersions.Select(name => (name, RabbitMqVersion.RabbitMq310))));

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Look_the_same_on_both(string name, RabbitMqVersion version)
    {
        BrokerPair pair = brokers.Of(version);
        IReadOnlyList<string> expected = await PlayAsync(name, pair.RabbitMq, Administration.Of(pair.RabbitMqNode));
        IReadOnlyList<string> observed = await PlayAsync(name, pair.Embedded.Uri, Administration.Of(pair.Embedded));
        Assert.NotEmpty(expected);
        Assert.True(
            expected.SequenceEqual(observed),
            $"RabbitMQ:\n{string.Join('\n', expected)}\nEmbedded:\n{string.Join('\n', observed)}");
    }

    private static async Task<IReadOnlyList<string>> PlayAsync(string name, Uri uri, Administration admin)
    {
        await using var stage = new Stage(uri);
        await stage.OpenAsync();
        await All[name](stage, admin);
        return stage.Notes;
    }

    /// <summary>
    /// A connection that has published is told of an alarm when it publishes again; what is behind that header waits.
    /// </summary>
    private static async Task PublishInAlarmAsync(Stage s, Administration admin, string body)
    {
        await s.DeclareAsync();
        IConnection c = await s.ConnectAsync(), probe = await s.ConnectAsync();
        Task told = ToldAsync(c), probeTold = ToldAsync(probe);
        await using IChannel channel = await c.CreateChannelAsync(new CreateChannelOptions(true, true));
        await using IChannel other = await probe.CreateChannelAsync();
        await s.PublishAsync("", s.Q, "before", channel: channel);
        Task publish;
        try
        {
            await admin.SetAlarmAsync(true);
            // The alarm takes a moment to reach the connections; what one of them shows, the other knows as well.
            await Stage.UntilAsync(async () =>
            {
                if (!probeTold.IsCompleted)
                    await s.PublishAsync("amq.direct", "nowhere", "m", channel: other);
                return probeTold.IsCompleted;
            });
            await channel.QueueDeclarePassiveAsync(s.Q);
            s.Note(told.IsCompleted);
            publish = s.PublishAsync("", s.Q, body, channel: channel);
            await told.WaitAsync(Stage.Limit);
            if (body.Length == 0)
                await publish.WaitAsync(Stage.Limit);
            s.Note($"{publish.IsCompleted} {await s.Channel.MessageCountAsync(s.Q)}");
        }
        finally
        {
            await admin.SetAlarmAsync(false);
        }
        await publish.WaitAsync(Stage.Limit);
        await s.DrainAsync();
    }

    private static Task ToldAsync(IConnection connection)
    {
        var told = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.ConnectionBlockedAsync += (_, _) => Task.FromResult(told.TrySetResult());
        return told.Task;
    }

    private static async Task<string> UserAsync(Stage s, Administration admin, bool permitted = false)
    {
        string user = s.Name("user");
        await admin.AddUserAsync(user, "first");
        if (permitted)
            await admin.PermitAsync(user, ".*", ".*", ".*");
        return user;
    }

    private static Task<IConnection> ConnectAsync(Stage s, string user)
        => s.ConnectAsync(f => (f.UserName, f.Password) = (user, "first"));

    /// <summary>Each on a channel of its own, which a refusal closes.</summary>
    private static async Task AttemptAsync(Stage s, IConnection connection, Func<IChannel, Task> what)
    {
        await using IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        await s.TryAsync(() => what(channel));
    }

    /// <summary>
    /// A publish that a refusal answers with the end of its channel; the passive declare behind it shows why.
    /// </summary>
    private static async Task PublishedAsync(IChannel channel, string exchange, string key)
    {
        ValueTask publish = channel.BasicPublishAsync(exchange, key, "m"u8.ToArray());
        try
        {
            await publish;
        }
        catch (RabbitMQ.Client.Exceptions.AlreadyClosedException)
        {
            throw new RabbitMQ.Client.Exceptions.OperationInterruptedException(channel.CloseReason!);
        }
    }

    private static async Task ClosedAsync(Stage s, IConnection connection, Func<Task> how)
    {
        var closed = new TaskCompletionSource<ShutdownEventArgs>(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.ConnectionShutdownAsync += (_, reason) => Task.FromResult(closed.TrySetResult(reason));
        // RabbitMQ.Client does not wait for connection.open-ok; a channel is certain to be behind it.
        await connection.CreateChannelAsync();
        await how();
        s.Note(Stage.Show(await closed.Task.WaitAsync(Stage.Limit)));
    }
}
