using System.Security.Cryptography;
using System.Text;

namespace SafeAmqp.Testing.Connections;

/// <summary>Who may log in, and what each may do in which virtual host.</summary>
internal sealed class Users
{
    private readonly Dictionary<string, User> _users = [];

    public User? Find(string name) => _users.GetValueOrDefault(name);

    public void Add(string name, string password)
    {
        if (Find(name) is { } known) known.Change(password);
        else _users[name] = new User(name, password);
    }

    public bool Remove(string name) => _users.Remove(name);

    public User? LogIn(string name, string password) => Find(name) is { } user && user.Has(password) ? user : null;
}

/// <summary>One user. Permissions are three patterns for names: configure, write, read.</summary>
internal sealed class User(string name, string password)
{
    private const int RememberedChecks = 256;
    private readonly Dictionary<string, NamePattern[]> _permissions = [];
    private readonly Dictionary<(string, Permission, string), bool> _checked = [];
    private string _password = password;

    public string Name => name;

    public TopicPermissions Topics { get; } = new();

    public void Change(string password) => _password = password;

    public bool Has(string given)
        => CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(_password));

    public bool MayEnter(string vhost) => _permissions.ContainsKey(vhost);

    public void Permit(string vhost, NamePattern configure, NamePattern write, NamePattern read)
    {
        _permissions[vhost] = [configure, write, read];
        _checked.Clear();
    }

    public void Forbid(string vhost)
    {
        _permissions.Remove(vhost);
        _checked.Clear();
    }

    public bool May(string vhost, Permission permission, string resource)
    {
        if (_checked.TryGetValue((vhost, permission, resource), out bool allowed))
            return allowed;
        // RabbitMQ checks the default exchange by this name.
        string named = resource.Length == 0 ? "amq.default" : resource;
        allowed = _permissions.TryGetValue(vhost, out NamePattern[]? patterns)
            && patterns[(int)permission].IsMatch(named);
        if (_checked.Count >= RememberedChecks)
            _checked.Clear();
        return _checked[(vhost, permission, resource)] = allowed;
    }
}

/// <summary>What a user may do with an exchange or queue.</summary>
internal enum Permission
{
    /// <summary>Create, change and delete it.</summary>
    Configure,

    /// <summary>Put messages in.</summary>
    Write,

    /// <summary>Take messages out.</summary>
    Read,
}
