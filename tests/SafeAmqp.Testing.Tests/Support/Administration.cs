using LocalBroker;

namespace SafeAmqp.Testing.Tests.Support;

/// <summary>What an administrator does to a broker: <c>rabbitmqctl</c> for one, methods for the other.</summary>
public abstract class Administration
{
    /// <summary>With all permissions for guest.</summary>
    public abstract Task AddVirtualHostAsync(string name);

    public abstract Task AddUserAsync(string user, string password);

    public abstract Task ChangePasswordAsync(string user, string password);

    public abstract Task RemoveUserAsync(string user);

    public abstract Task PermitAsync(string user, string configure, string write, string read);

    public abstract Task PermitTopicsAsync(string user, string exchange, string write, string read);

    public abstract Task ClearTopicsAsync(string user);

    public abstract Task DeleteQueueAsync(string queue);

    public abstract Task CloseConnectionsOfAsync(string user, string reason);

    public abstract Task SetAlarmAsync(bool raised);

    public static Administration Of(PrivateRabbitMqNode node) => new ByControl(node);

    public static Administration Of(AmqpTestBroker broker) => new ByMethods(broker);

    private sealed class ByControl(PrivateRabbitMqNode node) : Administration
    {
        public override async Task AddVirtualHostAsync(string name)
        {
            await node.RabbitMqCtlAsync("add_vhost", name);
            await node.RabbitMqCtlAsync("set_permissions", "-p", name, "guest", ".*", ".*", ".*");
        }

        public override Task AddUserAsync(string user, string password)
            => node.RabbitMqCtlAsync("add_user", user, password);

        public override Task ChangePasswordAsync(string user, string password)
            => node.RabbitMqCtlAsync("change_password", user, password);

        public override Task RemoveUserAsync(string user) => node.RabbitMqCtlAsync("delete_user", user);

        public override Task PermitAsync(string user, string configure, string write, string read)
            => node.RabbitMqCtlAsync("set_permissions", user, configure, write, read);

        public override Task PermitTopicsAsync(string user, string exchange, string write, string read)
            => node.RabbitMqCtlAsync("set_topic_permissions", user, exchange, write, read);

        public override Task ClearTopicsAsync(string user) => node.RabbitMqCtlAsync("clear_topic_permissions", user);

        public override Task DeleteQueueAsync(string queue) => node.RabbitMqCtlAsync("delete_queue", queue);

        public override async Task CloseConnectionsOfAsync(string user, string reason)
        {
            foreach (BrokerConnection connection in await node.ListConnectionsAsync())
                if (connection.User == user)
                    await node.CloseConnectionAsync(connection.Pid, reason);
        }

        public override Task SetAlarmAsync(bool raised) => node.SetMemoryAlarmAsync(raised);
    }

    private sealed class ByMethods(AmqpTestBroker broker) : Administration
    {
        public override Task AddVirtualHostAsync(string name) => DoAsync(() =>
        {
            broker.AddVirtualHost(name);
            broker.SetPermissions("guest", name);
        });

        public override Task AddUserAsync(string user, string password)
            => DoAsync(() => broker.AddUser(user, password));

        public override Task ChangePasswordAsync(string user, string password)
            => DoAsync(() => broker.AddUser(user, password));

        public override Task RemoveUserAsync(string user) => DoAsync(() => broker.RemoveUser(user));

        public override Task PermitAsync(string user, string configure, string write, string read)
            => DoAsync(() => broker.SetPermissions(user, "/", configure, write, read));

        public override Task PermitTopicsAsync(string user, string exchange, string write, string read)
            => DoAsync(() => broker.SetTopicPermissions(user, exchange, "/", write, read));

        public override Task ClearTopicsAsync(string user) => DoAsync(() => broker.ClearTopicPermissions(user));

        public override Task DeleteQueueAsync(string queue) => DoAsync(() => broker.DeleteQueue(queue));

        public override async Task CloseConnectionsOfAsync(string user, string reason)
        {
            foreach (string name in await broker.LookAsync(
                view => view.Connections.Where(connection => connection.UserName == user)
                    .Select(connection => connection.Name).ToList()))
                await broker.InjectAsync(FaultAction.CloseConnection(320, reason), name);
        }

        public override Task SetAlarmAsync(bool raised) => DoAsync(raised ? () => broker.Block() : broker.Unblock);

        private Task<bool> DoAsync(Action command)
        {
            command();
            return broker.LookAsync(_ => true);
        }
    }
}
